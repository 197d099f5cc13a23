"""Pictures as pixels: decoding within limits, encoding, composing."""
