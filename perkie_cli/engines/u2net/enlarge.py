"""A small copy's colour model on the whole picture."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen
from perkie_cli.engines.u2net.guided import ColourModel

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TILE = 256  # px: its float arrays stay in the processor's cache
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
    small = least.shape
    for rows, columns in _tiles(height, width):
        tile = _Tile(rows, columns, small[0] / height, small[1] / width)
        low, high = tile.of(least), tile.of(most)
        if low.min() == 1 or high.max() == 0:  # nothing is open here
            alpha[rows, columns] = 255 * low
            continue
        model = ColourModel(tile.of(copy.model.slope), tile.of(copy.model.offset))
        values = model.evaluated(rgb[rows, columns].astype(np.float32) / np.float32(255))
        values = (np.clip(values, low, high) - _LOW) / (_HIGH - _LOW)
        alpha[rows, columns] = np.round(np.clip(values, 0, 1) * 255)
    return alpha


@frozen
class _Tile:
    """Part of a picture, and how many steps of the copy's grid one of its pixels is."""

    rows: slice
    columns: slice
    step_y: float
    step_x: float

    def of(self, plane: Floats) -> Floats:
        """This part of a plane of the copy, enlarged."""
        size = self.columns.stop - self.columns.start, self.rows.stop - self.rows.start
        places = np.array(
            [
                [self.step_x, 0, (self.columns.start + 0.5) * self.step_x - 0.5],
                [0, self.step_y, (self.rows.start + 0.5) * self.step_y - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        part = cv2.warpAffine(plane, places, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(part, np.float32)


def _tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            yield slice(top, min(top + _TILE, height)), slice(left, min(left + _TILE, width))
