"""WebP, by OpenCV's libwebp: Pillow's decoder for animations needs seven times the memory of the picture."""

from __future__ import annotations

import cv2
import numpy as np

from perkie_cli.imaging.containers import webp
from perkie_cli.imaging.damage import Damage
from perkie_cli.imaging.decoders.pixels import Pixels


def decode(data: bytes) -> Pixels:
    """Decodes the first frame. Raises: Damage."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise Damage("the picture data ends too early or does not decode")
    samples = np.asarray(found, np.uint8)
    profile = webp.profile(data)
    if samples.shape[2] == 3:
        return Pixels(np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGR2RGB, dst=samples), np.uint8), profile=profile)
    alpha = np.ascontiguousarray(samples[..., 3])
    return Pixels(np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGRA2RGB), np.uint8), alpha, profile)
