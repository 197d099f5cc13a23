"""Settings: one row each; every value knows its origin."""
