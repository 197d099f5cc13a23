"""From the network's 320 px to the picture's own edges.

A guided filter aligns the coarse map with the edges. Closed-form matting, from coarse to fine, then finds the hair in
the undecided band; where subject and background have similar colours, the network's map takes precedence. Finally the
local colour model of the finest copy is evaluated on the whole picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.u2net.closed_form import solve
from perkie_cli.engines.u2net.enlarge import Copy, enlarged
from perkie_cli.engines.u2net.guided import ColourModel, fit
from perkie_cli.engines.u2net.separable import inseparable
from perkie_cli.imaging.sizes import scaled

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_FIRST = (192, 60)  # px on the long side, steps
# px and steps of the finer levels, each of which starts from the one before, and the least picture that is worth it
_FINER = ((384, 40, 240), (640, 15, 1280))
_MOST_OPEN = 60_000  # px: maps with more undecided pixels get no finer levels

_SUBJECT, _GROUND = 0.92, 0.06  # what the network is sure of, away from the edge
_INNER, _OUTER = 1 / 100, 1 / 80  # of the long side: the first band reaches further out than in, for hair
_DECIDED, _GROWN = 0.02, 3  # of alpha, px: the next band is what the last level left between, and a little more
_SURE = 0.8  # |2p - 1| from which on the network has a say against colour
_LEAST = 1e-4, 1e-3  # priors where colour decides: on the first level, and on the others
_PRIOR = 1.0, 0.3  # priors added where colour cannot decide: towards the network, and towards the previous level
_WIDE, _NARROW = (1 / 64, 1e-4), (1 / 1000, 1e-4)  # guided filters: radius as a share of the long side, variance


def refine(rgb: Bytes, coarse: Floats) -> Bytes:
    """uint8 (h, w) alpha of a uint8 (h, w, 3) picture, from a coarse float32 map of any size."""
    long_side = max(rgb.shape[:2])
    level = _first(rgb, coarse)
    for side, steps, least in _FINER:
        finer = min(side, long_side)
        if long_side < least or level.open_pixels * (finer / max(level.alpha.shape)) ** 2 > _MOST_OPEN:
            break
        level = _finer(rgb, level, finer, steps)
    return enlarged(rgb, Copy(level.model, level.subject, level.ground))


@frozen
class _Level:
    """A small copy with its known pixels. ``subject`` and ``ground`` are 1 where decided; all planes are (h, w)."""

    alpha: Floats
    model: ColourModel
    subject: Bytes
    ground: Bytes
    alike: Floats  # where colour cannot tell the two

    @property
    def open_pixels(self) -> int:
        return self.subject.size - int(self.subject.sum()) - int(self.ground.sum())


def _first(rgb: Bytes, coarse: Floats) -> _Level:
    side, steps = _FIRST
    picture = _copy(rgb, side)
    likely = _resized(np.clip(coarse, 0, 1), picture)
    sure = np.clip((np.abs(2 * likely - 1) - _SURE) / (1 - _SURE), 0, 1) ** 2
    drawn = np.clip(fit(picture, likely, *_filter(_WIDE, side)).evaluated(picture), 0, 1)
    start = drawn + (np.round(likely) - drawn) * sure
    known = _known(likely, (_SUBJECT, _GROUND), side * _INNER, side * _OUTER)
    alike = inseparable(picture, likely)
    return _solved(picture, start, known, _LEAST[0] + _PRIOR[0] * sure * alike, alike, steps)


def _finer(rgb: Bytes, level: _Level, side: int, steps: int) -> _Level:
    picture = _copy(rgb, side)
    alpha, alike = _resized(level.alpha, picture), _resized(level.alike, picture)
    drawn = np.clip(level.model.evaluated(picture), 0, 1)
    start = drawn + (alpha - drawn) * alike
    known = _known(alpha, (1 - _DECIDED, _DECIDED), _GROWN, _GROWN)
    return _solved(picture, start, known, _LEAST[1] + _PRIOR[1] * alike, alike, steps)


def _solved(picture: Floats, start: Any, known: tuple[Bytes, Bytes], prior: Any, alike: Floats, steps: int) -> _Level:
    subject, ground = known
    alpha = solve(picture, np.clip(start, subject, 1 - ground), (subject | ground) == 0, prior, steps)
    model = fit(picture, alpha, *_filter(_NARROW, max(alpha.shape)))
    return _Level(alpha, model, subject, ground, alike)


def _known(values: Floats, limits: tuple[float, float], inner: float, outer: float) -> tuple[Bytes, Bytes]:
    """Subject and ground, each without its outermost ``inner`` and ``outer`` px."""
    above, below = limits
    subject = cv2.erode((values > above).view(np.uint8), _disc(inner), borderValue=1)
    ground = cv2.erode((values < below).view(np.uint8), _disc(outer), borderValue=1)
    return np.asarray(subject, np.uint8), np.asarray(ground, np.uint8)


def _copy(rgb: Bytes, side: int) -> Floats:
    """float32 of 0..1 with that long side; a smaller picture is enlarged: the lengths hold for it too."""
    height, width = rgb.shape[:2]
    how = cv2.INTER_AREA if side < max(height, width) else cv2.INTER_LINEAR
    small = cv2.resize(rgb, scaled(width, height, side), interpolation=how)
    return small.astype(np.float32) / np.float32(255)


def _resized(plane: Floats, picture: Floats) -> Floats:
    return np.asarray(cv2.resize(plane, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _filter(shape: tuple[float, float], side: int) -> tuple[int, float]:
    radius, variance = shape
    return max(1, round(radius * side)), variance


def _disc(radius: float) -> Bytes:
    size = 2 * max(2, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
