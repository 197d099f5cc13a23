"""People: whose picture it is, and how that is proven."""
