"""Runs over many photos on the command line: their options, progress and report."""
