"""The cache on local disk: files and their index."""
