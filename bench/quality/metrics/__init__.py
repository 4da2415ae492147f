"""One file a metric: arrays in, a number with its error out."""
