"""Storage: what is kept, how it is looked at, checked and erased."""
