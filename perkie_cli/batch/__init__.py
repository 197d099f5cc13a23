"""Many pictures in one run: inputs, targets, jobs."""
