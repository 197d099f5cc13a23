"""How traffic moves to a new revision, and what decides that it does."""
