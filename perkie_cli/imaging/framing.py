"""Where the edges of a cut-out lie: the subject's box, a margin around it, an aspect for the whole."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.request import Framing
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.imaging.raster import Raster, with_alpha

_SUBJECT_ALPHA = 13  # 5 %: fainter pixels do not hold the box open
_MAX_CANVAS = 50_000_000  # px


@dataclass(frozen=True, slots=True)
class Box:
    """In pixels of the picture; ``right`` and ``bottom`` are outside. It may reach beyond the picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def grown(self, x: int, y: int) -> Box:
        """By ``x`` px left and right and ``y`` px above and below."""
        return Box(self.left - x, self.top - y, self.right + x, self.bottom + y)


def subject_box(alpha: NDArray[np.uint8]) -> Box | None:
    """The smallest box around every pixel of the subject; None when there is none."""
    left, top, width, height = cv2.boundingRect((alpha >= _SUBJECT_ALPHA).view(np.uint8))
    return Box(left, top, left + width, top + height) if width and height else None


def canvas_box(alpha: NDArray[np.uint8], framing: Framing) -> Box:
    """The canvas that the framing asks for. Without a subject there is nothing to trim to: the whole picture.

    Raises: InvalidParameter when the canvas would be larger than the picture and 50 MP.
    """
    height, width = alpha.shape
    box = (subject_box(alpha) if framing.trim else None) or Box(0, 0, width, height)
    margin = round(max(box.width, box.height) * framing.margin / 100)
    box = _to_aspect(box.grown(margin, margin), framing.aspect)
    if box.width * box.height > max(_MAX_CANVAS, alpha.size):
        raise InvalidParameter(
            f"a canvas of {box.width} × {box.height} px is over {_MAX_CANVAS // 1_000_000} MP",
            hint="Use --trim, a smaller margin or an aspect nearer to the picture's own.",
        )
    return box


def _to_aspect(box: Box, aspect: tuple[int, int] | None) -> Box:
    """The box grown on its shorter side, centred."""
    if aspect is None:
        return box
    width = max(box.width, round(box.height * aspect[0] / aspect[1]))
    height = max(box.height, round(box.width * aspect[1] / aspect[0]))
    left = box.left - (width - box.width) // 2
    top = box.top - (height - box.height) // 2
    return Box(left, top, left + width, top + height)


def to_canvas(raster: Raster, box: Box) -> Raster:
    """Cuts to the box; beyond the picture the canvas is black and transparent."""
    alpha = with_alpha(raster).alpha
    assert alpha is not None, "it was just written out"
    return Raster(_cut(raster.rgb, box, cv2.BORDER_CONSTANT), _cut(alpha, box, cv2.BORDER_CONSTANT))


def to_canvas_extended(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cuts to the box; beyond the picture it is mirrored."""
    return _cut(rgb, box, cv2.BORDER_REFLECT)


def _cut(pixels: NDArray[np.uint8], box: Box, border: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    inside = pixels[max(0, box.top) : min(height, box.bottom), max(0, box.left) : min(width, box.right)]
    above, left = max(0, -box.top), max(0, -box.left)
    below, right = max(0, box.bottom - height), max(0, box.right - width)
    if not (above or below or left or right):
        return inside
    return np.asarray(cv2.copyMakeBorder(inside, above, below, left, right, border), np.uint8)
