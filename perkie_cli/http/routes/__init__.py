"""One module a resource; each translates between HTTP and the services' values."""
