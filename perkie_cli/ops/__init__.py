"""Running the service: what is set up outside of requests."""
