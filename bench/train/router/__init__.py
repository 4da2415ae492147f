"""Training of Learning-to-Cache routers."""
