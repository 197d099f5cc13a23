"""perkie: the back end of a pet-portrait shop as one toolkit."""

__version__ = "0.1.0"
