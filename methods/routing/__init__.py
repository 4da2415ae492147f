"""Learning-to-Cache's routers: where they apply, how they are stored, how they are trained (arXiv 2406.01733)."""
