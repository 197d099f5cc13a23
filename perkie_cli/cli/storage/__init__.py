"""The commands of the cache: their filters, and one run of a purge."""
