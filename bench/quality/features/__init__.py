"""Features of images, the references they are compared with, and evaluation without a model."""
