"""Model files and image models for the commands."""
