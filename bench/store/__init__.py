"""What was measured, on disk: one JSON a cell, its names, and which code made it."""
