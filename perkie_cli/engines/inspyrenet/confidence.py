"""How sure the network is that there is one subject. Measured before the saliency is stretched to full contrast:
after that, noise without a subject looks like a mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.result import Confidence

_SIDE = 128  # px on a side: enough to tell pieces apart
_NEAR = 9  # px at that size; pieces nearer than this are one subject
_HALF = 0.5


def assess(saliency: NDArray[np.float32]) -> Confidence:
    """From float32 (h, w) probabilities: decided pixels × contrast × how much of the subject is in one piece."""
    small = cv2.resize(saliency, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low, high = (float(level) for level in np.percentile(small, (0.5, 99.5)))
    if high < _HALF:
        return Confidence(round(high / 2, 3), False, ("no clear subject was found",))
    together = _share_of_largest(small > _HALF)
    decided = float(np.mean(np.abs(2 * small - 1)))
    value = round((high - low) * together * min(1.0, 1.2 * decided), 3)
    return Confidence(value, True, tuple(_notes(high - low, together, decided)))


def _notes(contrast: float, together: float, decided: float) -> list[str]:
    notes = []
    if contrast < _HALF:
        notes.append("the subject is hard to distinguish from its background")
    if together < 0.7:
        notes.append("several separate subjects were found")
    if decided < _HALF:
        notes.append("a large part of the picture is neither clearly subject nor background")
    return notes


def _share_of_largest(subject: NDArray[np.bool_]) -> float:
    """The largest piece's share of the subject's pixels, small gaps closed."""
    pixels = subject.astype(np.uint8)
    near = cv2.dilate(pixels, np.ones((_NEAR, _NEAR), np.uint8))
    _, labels = cv2.connectedComponents(near, connectivity=8)
    sizes = np.bincount(labels[subject])
    return float(sizes.max() / max(1, sizes.sum())) if sizes.size else 0.0
