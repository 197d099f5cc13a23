"""Who asks: API keys, JSON web tokens, the Shopify app proxy, or nobody on the loopback interface."""
