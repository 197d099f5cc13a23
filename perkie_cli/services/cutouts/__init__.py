"""Cut-outs: made once and kept; weights and how good they are."""
