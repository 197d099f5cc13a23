"""A run over several machines: which of them takes which photo, and what they report together."""
