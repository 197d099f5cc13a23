"""The process's own means: clock, workers, imports, waiting within a deadline."""
