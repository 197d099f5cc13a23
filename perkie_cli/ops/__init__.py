"""Operations: everything that is set up outside of requests."""
