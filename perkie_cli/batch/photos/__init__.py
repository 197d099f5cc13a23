"""The photos of a run: from what was typed to sources that can be read."""
