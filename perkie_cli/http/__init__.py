"""The services over HTTP: routes only translate."""
