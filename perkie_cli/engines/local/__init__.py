"""The local style engine: offline, deterministic, no weights; one module a style."""
