"""Checks on upstream pictures: whether they show anything, and whether they were drawn at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from perkie_cli.imaging.pillow import over_white
from perkie_cli.imaging.raster import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRID = 64  # cells per side: averaging removes JPEG artefacts and film grain
_ALPHA_SEEN = 16  # levels of 255; less is invisible on paper
_PLAIN = 8.0  # levels between the darkest and the brightest cell of what counts as one colour
# A JPEG copy of a photo at quality 50 is 0.8 levels away from it; a drawing of the same pet 40 and more.
_SAME = 4.0


def is_invisible(raster: Raster) -> bool:
    """Whether every pixel is transparent."""
    return raster.alpha is not None and int(raster.alpha.max()) < _ALPHA_SEEN


def is_one_colour(cells: NDArray[np.float32]) -> bool:
    """Whether the picture of these ``cells_of`` has only one colour, apart from encoding artefacts."""
    return bool((np.ptp(cells, axis=(0, 1)) <= _PLAIN).all())


def is_copy(cells: NDArray[np.float32], ratio: float, photo: Raster) -> bool:
    """Whether the picture of these ``cells_of``, ``ratio`` times as wide as high, is the photo itself: encoded again,
    resized, or cropped around the centre to another shape.
    """
    cut = _cut(photo, ratio)
    others = (photo,) if cut.rgb.shape == photo.rgb.shape else (photo, cut)
    return any(float(np.abs(cells - cells_of(other)).mean()) < _SAME for other in others)


def cells_of(raster: Raster) -> NDArray[np.float32]:
    """Mean colours over a grid, (64, 64, 3), transparency over white."""
    rgb = raster.rgb if raster.alpha is None else np.asarray(over_white(raster))
    while min(height := rgb.shape[0], width := rgb.shape[1]) >= 4 * _GRID:  # to halve is five times as fast
        rgb = _resized(rgb[: height // 2 * 2, : width // 2 * 2], width // 2, height // 2)
    return _resized(rgb, _GRID, _GRID).astype(np.float32)


def _resized(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut(raster: Raster, ratio: float) -> Raster:
    """The middle of it, ``ratio`` times as wide as high."""
    width = min(raster.width, max(1, round(raster.height * ratio)))
    height = min(raster.height, max(1, round(raster.width / ratio)))
    left, top = (raster.width - width) // 2, (raster.height - height) // 2
    rows, columns = slice(top, top + height), slice(left, left + width)
    return Raster(raster.rgb[rows, columns], None if raster.alpha is None else raster.alpha[rows, columns])
