"""Plain frozen types and rules; imports nothing outside the standard library."""
