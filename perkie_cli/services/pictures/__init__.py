"""Pictures: drawn once, kept, substituted where the upstream fails."""
