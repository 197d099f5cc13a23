"""The local style engine: offline, deterministic; one module a style."""
