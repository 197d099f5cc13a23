"""Event sinks: log, audit records, metrics, traces. ``fanout`` hands each event to those that take its kind."""
