"""The shop: use cases of the storefront that combine pictures and cut-outs."""
