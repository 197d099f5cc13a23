"""Limits of a server: request rates and its shutdown."""
