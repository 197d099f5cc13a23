"""From the bytes of each format to samples as they are stored: not yet upright, in sRGB, or of the size asked for."""
