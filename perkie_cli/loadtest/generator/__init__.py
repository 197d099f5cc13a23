"""The worker processes of a load test: what they send, when, and what came of it."""
