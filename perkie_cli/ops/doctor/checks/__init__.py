"""The checks, by subject. Each is a function of the installation that says what it found."""
