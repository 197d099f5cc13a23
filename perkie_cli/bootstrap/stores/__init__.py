"""Stores: disk and SQLite, or Google Cloud, as the settings say."""
