"""The command line: turns flags into requests and results into output."""
