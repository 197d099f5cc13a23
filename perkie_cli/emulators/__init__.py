"""Small local servers that speak the real protocols."""
