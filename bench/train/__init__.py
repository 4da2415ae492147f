"""Training of the small models and what they need: `ditbench train NAME`."""
