"""The use cases. They depend only on ports and domain types."""
