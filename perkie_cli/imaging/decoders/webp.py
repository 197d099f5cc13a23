"""WebP, by Pillow's libwebp."""

from __future__ import annotations

import io

import numpy as np
from PIL import WebPImagePlugin

from perkie_cli.imaging.decoders.pixels import Pixels


def decode(data: bytes) -> Pixels:
    """Decodes the first frame. Raises: Pillow's own errors."""
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    image.load()
    profile = image.info.get("icc_profile")
    if image.mode != "RGBA":
        return Pixels(np.asarray(image.convert("RGB")), profile=profile)
    return Pixels(np.asarray(image.convert("RGB")), np.asarray(image.getchannel("A")), profile)
