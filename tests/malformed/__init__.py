"""Malformed inputs by kind, one file each: what a user, a full disk or a stranger may hand to the command line."""
