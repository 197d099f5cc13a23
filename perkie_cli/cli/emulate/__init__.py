"""What the emulators have in common: their options, and how they run."""
