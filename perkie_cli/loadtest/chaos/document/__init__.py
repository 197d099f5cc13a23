"""An experiment as a file: what it says, what it may run, what perkie starts for it."""
