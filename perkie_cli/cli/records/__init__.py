"""What commands that look back have in common: how far, and in which logs."""
