"""Two runs compared, and the hashes of the code that made them."""
