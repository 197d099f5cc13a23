"""perkie tests."""
