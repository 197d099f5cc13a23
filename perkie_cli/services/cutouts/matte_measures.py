"""The field's measures of the error of a matte. All take float32 (h, w) arrays of 0..1.

Unlike in common toolkits nothing is stretched first: a matte that never reaches white should score lower.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen

Floats = NDArray[np.float32]

_BETA2 = 0.3  # weighs precision over recall, as in all saliency papers
_SIGMA = 1.4  # px, of the gradient error's Gaussian derivatives
_TINY = 2.2e-16  # avoids 0 / 0 and changes nothing else


@frozen
class Scores:
    """One matte's distance from the truth. ``sad`` and ``gradient`` are in thousands, as published."""

    mae: float  # mean absolute error, 0 is perfect
    s_measure: float  # structure, 1 is perfect
    max_f: float  # best F over all thresholds, 1 is perfect
    sad: float  # sum of absolute differences
    gradient: float  # at fur and edges


def score(matte: Floats, truth: Floats) -> Scores:
    """All measures; both arrays have one shape."""
    difference = np.abs(matte - truth)
    solid = truth > 0.5
    return Scores(
        mae=float(difference.mean()),
        s_measure=s_measure(matte, solid),
        max_f=max_f(matte, solid),
        sad=float(difference.sum(dtype=np.float64)) / 1000,
        gradient=gradient_error(matte, truth),
    )


def gradient_error(matte: Floats, truth: Floats) -> float:
    """Squared difference of gradient magnitudes in thousands (Rhemann et al., CVPR 2009)."""
    return float(np.sum((_gradient(matte) - _gradient(truth)) ** 2, dtype=np.float64)) / 1000


def max_f(matte: Floats, solid: NDArray[np.bool_]) -> float:
    """The largest F-measure over 256 thresholds (Achanta et al., CVPR 2009)."""
    levels = np.clip(np.round(matte * 255), 0, 255).astype(np.uint8)
    inside = np.cumsum(np.bincount(levels[solid], minlength=256)[::-1])
    outside = np.cumsum(np.bincount(levels[~solid], minlength=256)[::-1])
    if not solid.any():
        return 1.0 if not levels.any() else 0.0
    precision = inside / np.maximum(inside + outside, 1)
    recall = inside / inside[-1]
    return float(np.max((1 + _BETA2) * precision * recall / np.maximum(_BETA2 * precision + recall, _TINY)))


def s_measure(matte: Floats, solid: NDArray[np.bool_]) -> float:
    """Likeness of objects and of regions, half and half (Fan et al., ICCV 2017)."""
    share = float(solid.mean())
    if share == 0:
        return 1 - float(matte.mean())
    if share == 1:
        return float(matte.mean())
    objects = share * _object(matte[solid]) + (1 - share) * _object(1 - matte[~solid])
    return max(0.0, 0.5 * objects + 0.5 * _regions(matte, solid))


def _object(values: Floats) -> float:
    mean, deviation = float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else 0.0
    return float(2 * mean / (mean * mean + 1 + deviation + _TINY))


def _regions(matte: Floats, solid: NDArray[np.bool_]) -> float:
    """Structural likeness of the four quarters around the true subject's centre, weighed by area."""
    height, width = solid.shape
    rows, columns = np.nonzero(solid)
    y, x = round(float(rows.mean())) + 1, round(float(columns.mean())) + 1
    truth = solid.astype(np.float32)
    total = 0.0
    for part in ((slice(0, y), slice(0, x)), (slice(0, y), slice(x, width)), (slice(y, height), slice(0, x))):
        total += _likeness(matte[part], truth[part])
    return float((total + _likeness(matte[y:, x:], truth[y:, x:])) / (height * width))


def _likeness(matte: Floats, truth: Floats) -> float:
    """SSIM of the two as wholes, times their number of pixels."""
    count = matte.size
    if count == 0:
        return 0.0
    a, b = matte.astype(np.float64), truth.astype(np.float64)
    mean_a, mean_b = a.mean(), b.mean()
    degrees = max(1, count - 1)
    spread_a, spread_b = ((a - mean_a) ** 2).sum() / degrees, ((b - mean_b) ** 2).sum() / degrees
    shared = ((a - mean_a) * (b - mean_b)).sum() / degrees
    above = 4 * mean_a * mean_b * shared
    below = (mean_a**2 + mean_b**2) * (spread_a + spread_b)
    if above != 0:
        return float(count * above / (below + _TINY))
    return float(count) if below == 0 else 0.0


def _gradient(values: Floats) -> Floats:
    radius = int(np.ceil(3 * _SIGMA))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-x * x / (2 * _SIGMA**2)) / (_SIGMA * np.sqrt(2 * np.pi))
    slope = -x * smooth / _SIGMA**2
    scale = np.sqrt(np.sum(smooth**2) * np.sum(slope**2))
    along, across = (
        cv2.sepFilter2D(values, cv2.CV_32F, first, second, borderType=cv2.BORDER_REPLICATE)
        for first, second in ((slope, smooth), (smooth, slope))
    )
    return np.asarray(np.hypot(along, across) / scale, np.float32)
