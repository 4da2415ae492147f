"""What results must look like, and how older ones are read."""
