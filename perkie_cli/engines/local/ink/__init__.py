"""Ink on paper: lines, washes, the paper itself."""
