"""Features of images, the reference sets they are compared with."""
