"""Reads ``slo.yaml``: service levels in OpenSLO, and alerts of our own."""
