"""Results of strangers checked before they are merged."""
