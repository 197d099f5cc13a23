"""Cut-outs: what a request for one says, and the checkpoints that make it."""
