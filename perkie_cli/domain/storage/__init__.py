"""Storage: selections, lifetimes, protected buckets, metadata."""
