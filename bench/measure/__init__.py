"""Measuring one cell: its samples, quality, memory and timing."""
