"""Engines behind the ports: one module each."""
