"""A small copy's colour model on the whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.u2net.guided import ColourModel
from perkie_cli.imaging.tiles import Tile, each_tile

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LOW, _HIGH = 0.04, 0.97  # a haze this faint is none


@frozen
class Copy:
    """Alpha as a model of the colours; uint8 ``subject`` and ``ground`` are 1 where it is known to be 1 or 0."""

    model: ColourModel
    subject: Bytes
    ground: Bytes


def enlarged(rgb: Bytes, copy: Copy) -> Bytes:
    """uint8 (h, w) alpha of the whole uint8 (h, w, 3) picture, in tiles."""
    height, width = rgb.shape[:2]
    alpha = np.empty((height, width), np.uint8)
    least, most = copy.subject.astype(np.float32), 1 - copy.ground.astype(np.float32)

    def fill(tile: Tile) -> None:
        alpha[tile.slices] = _alpha(rgb, copy.model, least, most, tile)

    each_tile(fill, height, width)
    return alpha


def _alpha(rgb: Bytes, small: ColourModel, least: Floats, most: Floats, tile: Tile) -> Floats:
    """0..255, of one tile, from what is known on the small copy."""
    height, width = rgb.shape[:2]
    low, high = (tile.enlarged(plane, height, width) for plane in (least, most))
    if low.min() == 1 or high.max() == 0:  # nothing is open here
        return 255 * low
    slope, offset = (tile.enlarged(plane, height, width) for plane in (small.slope, small.offset))
    values = ColourModel(slope, offset).evaluated(rgb[tile.slices].astype(np.float32) / np.float32(255))
    values = (np.clip(values, low, high) - _LOW) / (_HIGH - _LOW)
    return np.asarray(np.round(np.clip(values, 0, 1) * 255), np.float32)
