"""Typed float32 arrays and the few filters that every style is made of.

A *plane* is (h, w) and a *picture* (h, w, 3), float32 and 0..1 unless said otherwise; RGB order. Lengths in the styles
are given for a picture of 1024 px on its long side and multiplied by the scene's scale.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, cast

import cv2
import numpy as np
import numpy.typing as npt

# float32 by construction; wider in the annotation because numpy's stubs lose the width in arithmetic with Python floats
Plane = npt.NDArray[np.floating[Any]]
Picture = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

EDGE: Final = cv2.BORDER_REPLICATE
AREA: Final = cv2.INTER_AREA
LINEAR: Final = cv2.INTER_LINEAR
CUBIC: Final = cv2.INTER_CUBIC
NEAREST: Final = cv2.INTER_NEAREST


def smoothstep(x: Plane, low: float, high: float) -> Plane:
    """Hermite step: 0 below `low`, 1 above `high`."""
    t = x - low
    t *= 1 / (high - low)
    np.clip(t, 0, 1, out=t)
    y = -2 * t  # in place from here: the styles call this on whole planes, dozens of times
    y += 3
    y *= t
    y *= t
    return y


def resize(x: Plane, width: int, height: int, how: int = LINEAR) -> Plane:
    """A plane or picture at another size."""
    return cast(Plane, cv2.resize(x, (width, height), interpolation=how))


def blur(x: Plane, sigma: float) -> Plane:
    """Gaussian blur; a wide one runs on a smaller copy, without a visible difference."""
    if sigma <= 3.5:
        return cast(Plane, cv2.GaussianBlur(x, (0, 0), max(sigma, 0.25), borderType=EDGE))
    factor = 2 if sigma < 14 else 4 if sigma < 32 else 8
    h, w = x.shape[:2]
    small = resize(x, max(1, -(-w // factor)), max(1, -(-h // factor)), AREA)
    small = cast(Plane, cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=EDGE))
    return resize(small, w, h, CUBIC if factor == 4 else LINEAR)


def guided_filter(guide: Plane, x: Plane, radius: float, eps: float) -> Plane:
    """Edge-preserving smoothing of `x` along the edges of `guide` (He et al., Guided Image Filtering, 2010).

    The lines that are fitted to wide windows change slowly, so they are found on a smaller copy (He and Sun, 2015).
    """
    h, w = guide.shape
    factor = 1 if radius < 8 else 2 if radius < 24 else 4
    if factor == 1:
        slope, offset = _fitted_lines(guide, x, radius, eps)
        return slope * guide + offset
    size = max(1, w // factor), max(1, h // factor)
    small = resize(guide, *size, AREA)
    slope, offset = _fitted_lines(small, small if x is guide else resize(x, *size, AREA), radius / factor, eps)
    return resize(slope, w, h) * guide + resize(offset, w, h)


def _fitted_lines(guide: Plane, x: Plane, radius: float, eps: float) -> tuple[Plane, Plane]:
    """Slope and offset of `x` over `guide`, averaged over all windows that see a pixel."""
    side = 2 * max(1, int(radius)) + 1

    def mean(p: Plane) -> Plane:
        return cast(Plane, cv2.boxFilter(p, -1, (side, side), borderType=cv2.BORDER_REFLECT))

    mean_g = mean(guide)
    variance = mean(guide * guide) - mean_g * mean_g
    mean_x = mean_g if x is guide else mean(x)
    covariance = variance if x is guide else mean(guide * x) - mean_g * mean_x
    slope = covariance / (variance + eps)
    return mean(slope), mean(mean_x - slope * mean_g)


def weighted(rgb: Picture, red: float, green: float, blue: float) -> Plane:
    """One plane from three channels."""
    return cast(Plane, cv2.transform(rgb, np.array([[red, green, blue]], np.float32)))


def channels(x: Plane) -> Sequence[Plane]:
    """The channels of an (h, w, c) array as contiguous planes."""
    return cast(Sequence[Plane], cv2.split(x))


def columns(width: int) -> Plane:
    """x coordinates as (1, w)."""
    return np.arange(width, dtype=np.float32)[None]


def rows(height: int) -> Plane:
    """y coordinates as (h, 1)."""
    return np.arange(height, dtype=np.float32)[:, None]


def displace(x: Plane, dx: Plane, dy: Plane) -> Plane:
    """Each pixel fetched from `dx`, `dy` away."""
    h, w = x.shape[:2]
    return cast(Plane, cv2.remap(x, columns(w) + dx, rows(h) + dy, LINEAR, borderMode=EDGE))


def disc(diameter: float) -> Bytes:
    """Round structuring element of an odd diameter."""
    d = max(1, int(diameter)) | 1
    return cast(Bytes, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (d, d)))


def power(x: Plane, exponent: float) -> Plane:
    """x ** exponent for x >= 0, by OpenCV's faster pow."""
    return cast(Plane, cv2.pow(x, exponent))


def solve_gamma(value: float, wanted: float) -> float:
    """The exponent that takes `value` to `wanted`; both inside (0, 1)."""
    return math.log(wanted) / math.log(value)


def to_bytes(x: Plane) -> Bytes:
    """0..1 to rounded 0..255."""
    y = x * 255
    y += 0.5
    return cast(Bytes, np.clip(y, 0, 255, out=y).astype(np.uint8))
