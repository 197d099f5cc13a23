"""Stores: disk and SQLite, or Google Cloud, depending on the settings."""
