"""What comes in: bodies, fields, callers, addresses."""
