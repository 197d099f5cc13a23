"""An emulated Cloud Run: services, revisions, traffic and long-running operations, without containers."""
