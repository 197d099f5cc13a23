"""The command line: translates flags to requests and results to output."""
