"""The local style engine: offline, deterministic; one module per style."""
