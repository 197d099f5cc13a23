"""What ``perkie cost`` shows."""
