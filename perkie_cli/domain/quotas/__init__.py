"""Quotas: limits by tier and day, and the tally of a day."""
