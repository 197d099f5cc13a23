"""The result of a decoder."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.containers.header import CodePoints

Samples = NDArray[np.unsignedinteger[Any]]


@frozen(eq=False)
class Pixels:
    """Samples and what they mean.

    ``colour`` is (height, width) in grey, (height, width, 3) in RGB or (height, width, 4) in CMYK, of uint8, or of
    uint16 over its whole range; ``alpha`` is uint8 (height, width), straight. ``profile`` (ICC) is empty where there
    is an unreadable one; either it or ``code_points`` is set, never both. ``notes`` list problems.
    """

    colour: Samples
    alpha: NDArray[np.uint8] | None = None
    profile: bytes | None = None
    code_points: CodePoints | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.colour.shape[1], self.colour.shape[0]


def shallow(samples: Samples) -> NDArray[np.uint8]:
    """The same in 8 bits, rounded."""
    if samples.dtype == np.uint8:
        return samples.view(np.uint8)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), np.uint8)
