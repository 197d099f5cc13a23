"""Stores behind the ports: disk and SQLite here, Google Cloud in production."""
