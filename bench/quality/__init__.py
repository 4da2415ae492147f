"""Quality metrics and how far they can be trusted."""
