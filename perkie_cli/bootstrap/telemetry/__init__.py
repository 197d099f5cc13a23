"""Where events go: audit records, metrics, Cloud Monitoring, traces, the log."""
