"""Pictures by way of an upstream's batch API: ordered by one run, collected by a later one."""
