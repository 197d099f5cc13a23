"""What ``perkie monitor`` shows."""
