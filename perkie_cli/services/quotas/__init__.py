"""Quotas: reserve, commit, release; what on-call does to them."""
