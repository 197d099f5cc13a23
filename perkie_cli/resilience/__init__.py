"""What keeps one generation alive: deadline, retry, breaker, limits; guard composes them."""
