"""Commands that read what was recorded: by whom something was changed, and what failed."""
