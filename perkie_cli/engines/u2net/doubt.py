"""Where the matte may lack a part of the subject: a cheek, a paw in the grass, fur of the ground's colour.

The network marks such places with middling values. The matte has to decide; a painting need not, and keeps them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SIDE = 320  # px on the long side: doubt is coarse
_HARDLY, _RATHER = 0.08, 0.45  # the network's values from no doubt to full
_WIDE = 9  # px of ``_SIDE``: what is narrower is the ordinary soft edge
_SOFT = 2.5  # px of ``_SIDE``


def in_doubt(map_: Floats, alpha: Bytes, place: tuple[slice, slice]) -> Floats:
    """float32 (h, w) of 0..1, of the whole picture: how far the network's map of its ``place`` exceeds the alpha."""
    height, width = alpha.shape
    scale = min(1.0, _SIDE / max(height, width))
    decided = np.asarray(cv2.resize(alpha, _scaled(width, height, scale), interpolation=cv2.INTER_AREA))
    rows, columns = (slice(round(part.start * scale), round(part.stop * scale)) for part in place)
    outside = np.zeros(decided.shape, np.float32)
    part = outside[rows, columns]
    if not part.size:
        return outside
    likely = cv2.resize(map_, part.shape[::-1], interpolation=cv2.INTER_AREA)
    likely = np.clip((likely - _HARDLY) / (_RATHER - _HARDLY), 0, 1)
    part += np.maximum(likely - decided[rows, columns] * np.float32(1 / 255), 0)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_WIDE, _WIDE))
    wide = cv2.morphologyEx(outside, cv2.MORPH_OPEN, brush)
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), _SOFT), np.float32)


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))
