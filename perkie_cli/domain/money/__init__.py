"""Money: prices, tokens, budgets and what was spent."""
