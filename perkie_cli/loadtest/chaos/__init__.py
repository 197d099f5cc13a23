"""Chaos experiments: Chaos Toolkit inside what it lacks: sure rollbacks, a second look, faults with a lease."""
