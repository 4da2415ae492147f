"""Work, bytes and hours, from structure alone."""
