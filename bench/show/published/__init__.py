"""Numbers that others published, with their sources."""
