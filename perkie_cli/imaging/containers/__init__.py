"""The files around the pixels: what each format's boxes, chunks and segments say. No pixel is decoded here."""
