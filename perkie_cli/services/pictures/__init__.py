"""Pictures: drawn once, cached, and substituted when the upstream fails."""
