"""What the photo shows and how it is framed: the pet, its ground, its edges."""
