"""Documents and the spend ledger in SQLite files."""
