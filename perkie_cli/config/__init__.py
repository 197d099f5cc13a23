"""Settings: one row each, every value with its origin."""
