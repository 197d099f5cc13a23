"""One module per command; each has an ``app``."""
