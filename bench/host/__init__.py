"""The machine: files, environment, progress."""
