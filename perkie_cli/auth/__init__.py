"""Authentication: API keys, JSON web tokens, the Shopify app proxy, or nothing on the loopback interface."""
