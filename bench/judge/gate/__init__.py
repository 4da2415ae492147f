"""The gate for changes: checks, duels, the committed baseline."""
