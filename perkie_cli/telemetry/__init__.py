"""Event sinks: log, audit records, metrics."""
