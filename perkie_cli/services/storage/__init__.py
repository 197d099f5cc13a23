"""Storage: inspecting, checking and erasing stored pictures."""
