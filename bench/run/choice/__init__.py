"""Which setting of a model to use: screen many with few seeds, time what is left, answer one question."""
