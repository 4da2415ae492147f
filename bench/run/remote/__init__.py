"""Workers elsewhere: each a command line that takes orders from a folder of the store and leaves its answers there."""
