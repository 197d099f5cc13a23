"""From the network's 320 px to the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.u2net.guided import fit
from perkie_cli.imaging.inspection import shrunk

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SIDE = 640  # px on the long side of the copy that edges are looked for in


def refine(rgb: Bytes, coarse: Floats) -> Floats:
    """float32 (h, w) alpha of a uint8 (h, w, 3) picture, from a coarse float32 map of any size."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, shrunk(width, height, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    size = small.shape[1::-1]
    start = np.clip(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    wide = np.clip(fit(small, start, max(size) // 64, 1e-4).evaluated(small), 0, 1)
    model = fit(small, wide, max(1, max(size) // 200), 1e-5)
    alpha = model.evaluated(rgb.astype(np.float32) / 255)
    sure = cv2.resize(start, (width, height), interpolation=cv2.INTER_LINEAR)
    blend = np.clip((np.abs(sure - 0.5) * 2 - 0.8) / 0.2, 0, 1)
    alpha = alpha + (sure - alpha) * blend
    return np.clip((alpha - 0.06) / 0.88, 0, 1)
