"""Where colour tells the subject from its ground, and where only the network can."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_NEAR = 1 / 20  # of the long side: the neighbourhood whose colours are compared
_LIMIT = 0.8  # ratio of squared distance to variance at which colour and network count the same
_NOISE = 2e-3  # least variance of a coat or a ground, summed over the channels
_ABSENT = 1e-4  # a neighbourhood with less of one side knows nothing of its colours


def inseparable(picture: Floats, likely: Floats) -> Floats:
    """0..1 (h, w), of a float32 (h, w, 3) picture and how likely each pixel is subject: 1 where both sides look alike.

    Fisher's ratio of the colours of what is surely subject and what is surely ground nearby. Spots and stripes
    have a large variance, and so has a meadow: there closed-form matting would eat into the animal.
    """
    sigma = max(likely.shape) * _NEAR
    subject, spread = _colours(picture, likely > 0.9, sigma)
    ground, ground_spread = _colours(picture, likely < 0.1, sigma)
    distance = ((subject - ground) ** 2).sum(-1)
    ratio = distance / (spread + ground_spread + _NOISE)
    return np.asarray(1 / (1 + (ratio / _LIMIT) ** 2), np.float32)


def _colours(picture: Floats, where: Mask, sigma: float) -> tuple[Any, Any]:
    """Mean colour (h, w, 3) and the sum of its variances (h, w), around each pixel."""
    weight = where.astype(np.float32)
    mass = cv2.GaussianBlur(weight, (0, 0), sigma) + _ABSENT
    mean = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma) / mass[..., None]
    square = cv2.GaussianBlur((picture * picture).sum(-1) * weight, (0, 0), sigma) / mass
    return mean, np.maximum(square - (mean * mean).sum(-1), 0)
