"""The use cases. They see ports and domain types only."""
