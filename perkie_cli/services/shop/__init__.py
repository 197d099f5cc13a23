"""The shop: what the storefront asks of pictures and cut-outs together."""
