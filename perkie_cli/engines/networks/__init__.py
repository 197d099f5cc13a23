"""Matting networks that are named in models.toml, on ONNX Runtime or OpenCV."""
