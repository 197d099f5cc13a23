"""Cut-outs: made once and cached; model files and their evaluation."""
