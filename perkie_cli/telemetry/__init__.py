"""Events as frozen records, and where they go."""
