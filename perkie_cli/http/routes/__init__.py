"""One module per resource; each translates between HTTP and the services' values."""
