"""Quotas: reserve, commit, release, and administration."""
