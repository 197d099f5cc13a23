"""What a server bounds: rates, repeated keys, its own shutdown."""
