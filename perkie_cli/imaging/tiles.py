"""Pictures in tiles, whose float arrays stay in the processor's cache, on all of OpenCV's threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen

Floats = NDArray[np.float32]
Slices = tuple[slice, slice]

SIDE = 256  # px


@frozen
class Tile:
    """Part of a picture, in px."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> Slices:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, height: int, width: int) -> Tile:
        """The same with a margin, as far as the picture goes."""
        return Tile(
            max(0, self.top - margin),
            min(height, self.bottom + margin),
            max(0, self.left - margin),
            min(width, self.right + margin),
        )

    def within(self, outer: Tile) -> Slices:
        """Its place in an array that holds ``outer``."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def enlarged(self, small: Floats, height: int, width: int) -> Floats:
        """This part of a small copy (h, w) or (h, w, c) of a picture of ``height`` and ``width``, at full size."""
        step_y, step_x = small.shape[0] / height, small.shape[1] / width
        places = np.array(
            [
                [step_x, 0, (self.left + 0.5) * step_x - 0.5],
                [0, step_y, (self.top + 0.5) * step_y - 0.5],
            ]
        )
        size = self.right - self.left, self.bottom - self.top
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(small, places, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def each_tile(work: Callable[[Tile], Any], height: int, width: int, side: int = SIDE) -> None:
    """Does ``work`` on every tile of a picture, in several threads. Raises: what ``work`` raises."""
    tiles = [
        Tile(top, min(top + side, height), left, min(left + side, width))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
    with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as threads:
        for _ in threads.map(work, tiles):
            pass
