"""People: who owns a picture, and how identity is proven."""
