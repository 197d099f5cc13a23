"""Other people's clients, as published, against perkie."""
