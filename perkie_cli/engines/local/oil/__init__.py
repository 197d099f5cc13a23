"""Oil on canvas: palette, sky, thick paint."""
