"""Reads scenario files strictly: a wrong field is told with its file, line and name."""
