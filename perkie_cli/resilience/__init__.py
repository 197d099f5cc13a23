"""Protection of upstream calls: deadline, retry, breaker, limits; ``guard`` combines them."""
