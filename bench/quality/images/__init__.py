"""Images from outside: folders, arrays, labels, and one digest of a set."""
