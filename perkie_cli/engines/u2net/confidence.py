"""How sure the network is of the subject, from its map before anything is stretched.

A network that is unsure answers a picture and its mirror image differently, or leaves much undecided. The limits were
found on photos with known masks (57 of them; the mirror image at half size on these and distorted ones): together they
caught eight of eleven bad masks and refused one good one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

HALF = 0.5  # more likely subject than not
# measure → confidence: none at the first, 0.5 at the second (the limit), full at the third
_AGREEMENT = (0.4, 0.75, 1.0)  # intersection over union with the mirror image's mask
_UNDECIDED = (1.0, 0.3, 0.0)  # pixels between 0.2 and 0.8, as a share of the subject's
_AREA = (0.0, 0.02, 0.05)  # the subject's share of the picture
_PEAK = (HALF, 0.9, 0.99)  # the map's maximum


@dataclass(frozen=True, slots=True)
class Confidence:
    """``value`` is 0..1, under 0.5 where a limit is missed; ``has_subject`` is False where nothing can be cut out."""

    value: float
    has_subject: bool
    notes: tuple[str, ...] = ()


def sees_subject(map_: Floats) -> bool:
    """Whether any pixel is more likely subject than not."""
    return bool((map_ > HALF).any())


def nothing_found(map_: Floats) -> Confidence:
    """Of a map that sees no subject."""
    return Confidence(round(float(map_.max()) / 2, 3), False, ("no clear subject was found",))


def assess(map_: Floats, mirrored: Floats, share: float = 1.0) -> Confidence:
    """From a map and that of the mirror image, turned back; both float32 (h, w) of 0..1, the latter of any size.

    ``share`` is how much of the picture the map shows.
    """
    if not sees_subject(map_):
        return nothing_found(map_)
    area = float((map_ > HALF).mean())
    undecided = float(((map_ > 0.2) & (map_ < 0.8)).mean())
    found = {
        "the network sees another subject in the mirrored picture": _graded(_overlap(map_, mirrored), _AGREEMENT),
        "much of the picture is neither clearly subject nor background": _graded(undecided / area, _UNDECIDED),
        "the subject is very small": _graded(area * share, _AREA),
        "the subject hardly differs from its background": _graded(float(map_.max()), _PEAK),
    }
    notes = tuple(note for note, value in found.items() if value < HALF)
    return Confidence(round(min(found.values()), 3), True, notes)


def _overlap(map_: Floats, mirrored: Floats) -> float:
    """Intersection over union of the two masks."""
    other = cv2.resize(mirrored, map_.shape[::-1], interpolation=cv2.INTER_LINEAR)
    both, either = (map_ > HALF) & (other > HALF), (map_ > HALF) | (other > HALF)
    return float(both.sum() / either.sum())


def _graded(measure: float, levels: tuple[float, float, float]) -> float:
    """0..1, linear on either side of the limit."""
    worst, limit, best = levels
    if (measure < limit) == (worst < limit):
        return HALF * max(0.0, (measure - worst) / (limit - worst))
    return HALF + HALF * min(1.0, (measure - limit) / (best - limit))
