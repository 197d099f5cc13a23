"""Pictures: styles, requests, results and cache keys."""
