"""Where the outputs of a run are: files with a record of them, or objects of a bucket."""
