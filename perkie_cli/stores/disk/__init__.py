"""The cache on this machine: files and their index."""
