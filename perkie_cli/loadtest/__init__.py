"""Load tests: scenarios, a generator whose own limits are part of the result, thresholds, comparisons."""
