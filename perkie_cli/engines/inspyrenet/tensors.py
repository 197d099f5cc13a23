"""Picture → network input, saliency → alpha: the same arithmetic as transparent-background's, without torch."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# ImageNet's mean and standard deviation, as in training.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def to_input(rgb: Bytes, side: int) -> Floats:
    """float32 (3, side, side) of a uint8 (h, w, 3) picture. Pillow's bilinear is antialiased; OpenCV's is not."""
    scaled = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BILINEAR), np.float32)
    scaled = (scaled / np.float32(255) - _MEAN) / _DEVIATION
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def stretched(saliency: Floats) -> Floats:
    """Stretches the minimum to 0 and the maximum to 1, as transparent-background always does."""
    low, high = saliency.min(), saliency.max()
    return np.asarray((saliency - low) / (high - low + np.float32(1e-8)), np.float32)


def to_alpha(values: Floats, height: int, width: int) -> Bytes:
    """uint8 (height, width) of 0..1 values, bilinear with aligned corners (torch's ``align_corners=True``).

    Columns first, on the few rows of the network's output; then one blend of two rows for each row of the result.
    OpenCV's own warps round their weights to 1/32, which would be 4 levels off on a steep edge.
    """
    left, right, share = _neighbours(values.shape[1], width)
    rows = values[:, left] + (values[:, right] - values[:, left]) * share
    above, below, share = _neighbours(values.shape[0], height)
    alpha = np.empty((height, width), np.uint8)
    for y, (i, j, weight) in enumerate(zip(above, below, 255 * share.astype(float), strict=True)):
        upper, lower, row = rows[i : i + 1], rows[j : j + 1], alpha[y : y + 1]
        cv2.addWeighted(upper, 255 - weight, lower, weight, 0, dst=row, dtype=cv2.CV_8U)
    return alpha


def _neighbours(count: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each of ``wanted`` places: the samples before and after it, and how far it is between them (0..1)."""
    places = np.linspace(0, count - 1, wanted) if wanted > 1 else np.zeros(1)
    before = places.astype(np.intp)
    after = np.minimum(before + 1, count - 1)
    return before, after, (places - before).astype(np.float32)
