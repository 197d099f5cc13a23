"""Process-level tools: clock, workers, imports, waiting with a deadline."""
