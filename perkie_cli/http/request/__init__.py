"""Requests: bodies, fields, callers, addresses."""
