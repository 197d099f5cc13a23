"""What is wrong with this installation, or with a running server, and what mends it. Changes nothing."""
