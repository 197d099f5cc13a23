"""Cuts a release: ``python -m release 0.2.0``. Nothing leaves this machine; it says what to type next."""
