"""Cloud Monitoring in line with ``slo.yaml``: compared, applied, and read."""
