"""The lifecycle rules of the cache's bucket: compared and applied."""
