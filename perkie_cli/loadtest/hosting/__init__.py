"""Servers and emulators in processes of their own, and how to clean them up whatever is pressed."""
