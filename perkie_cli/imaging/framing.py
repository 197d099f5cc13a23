"""The canvas of a cut-out: the subject's box, margins, aspect ratio and position."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.cutouts.layout import Layout, Region
from perkie_cli.domain.cutouts.request import Framing
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.codec import resize
from perkie_cli.imaging.raster import Raster, with_alpha
from perkie_cli.imaging.sizes import scaled

_SUBJECT_ALPHA = 13  # 5 %: fainter pixels do not extend the box
_MAX_CANVAS = 50_000_000  # px


@frozen
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
        """The box enlarged by ``x`` px left and right and ``y`` px above and below."""
        return Box(self.left - x, self.top - y, self.right + x, self.bottom + y)


def subject_box(alpha: NDArray[np.uint8]) -> Box | None:
    """The smallest box around every pixel of the subject; None when there is none."""
    left, top, width, height = cv2.boundingRect((alpha >= _SUBJECT_ALPHA).view(np.uint8))
    return Box(left, top, left + width, top + height) if width and height else None


def canvas_box(alpha: NDArray[np.uint8], framing: Framing) -> Box:
    """The canvas for the framing; the whole picture if there is no subject to trim to.

    Raises: InvalidParameter when the canvas would be larger than the picture and 50 MP.
    """
    height, width = alpha.shape
    box = (subject_box(alpha) if framing.trim else None) or Box(0, 0, width, height)
    margin = round(max(box.width, box.height) * framing.margin / 100)
    box = _to_aspect(box.grown(margin, margin), framing.aspect)
    if box.width * box.height > max(_MAX_CANVAS, alpha.size):
        raise InvalidParameter(
            f"a canvas of {box.width} × {box.height} px is over {_MAX_CANVAS // 1_000_000} MP",
            hint="Use --trim, a smaller margin or an aspect closer to the picture's own.",
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
    """Crops to the box; outside the picture the canvas is black and transparent."""
    alpha = with_alpha(raster).alpha
    assert alpha is not None, "it was just written out"
    return Raster(_cut(raster.rgb, box, cv2.BORDER_CONSTANT), _cut(alpha, box, cv2.BORDER_CONSTANT))


def to_canvas_extended(rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Crops to the box; outside the picture it is mirrored."""
    return _cut(rgb, box, cv2.BORDER_REFLECT)


def _cut(pixels: NDArray[np.uint8], box: Box, border: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    inside = pixels[max(0, box.top) : min(height, box.bottom), max(0, box.left) : min(width, box.right)]
    above, left = max(0, -box.top), max(0, -box.left)
    below, right = max(0, box.bottom - height), max(0, box.right - width)
    if not (above or below or left or right):
        return inside
    return np.asarray(cv2.copyMakeBorder(inside, above, below, left, right, border), np.uint8)


# ------------------------------------------------------------------ layouts


@frozen
class Laid:
    """The result, and the subject's box in the cut-out as it came."""

    raster: Raster
    subject: Box


def lay_out(cutout: Raster, layout: Layout) -> Laid | None:
    """The cut-out as ``layout`` says; None when there is no subject in its region."""
    kept = within(with_alpha(cutout), layout.region)
    whole = _subject(kept)
    small = bounded(kept, layout.max_pixels)
    box = _subject(small)
    if whole is None or box is None:
        return None
    if layout.crop:
        small, box = _cropped(small, box, layout)
    if layout.moves:
        small = _moved(small, box, layout)
    return Laid(bounded(small, layout.max_pixels), whole)


def within(cutout: Raster, region: Region) -> Raster:
    """The cut-out with everything outside the region transparent."""
    if region == Region():
        return cutout
    assert cutout.alpha is not None, "a cut-out has alpha"
    rows = slice(round(region.top * cutout.height), round(region.bottom * cutout.height))
    columns = slice(round(region.left * cutout.width), round(region.right * cutout.width))
    alpha = np.zeros_like(cutout.alpha)
    alpha[rows, columns] = cutout.alpha[rows, columns]
    return Raster(cutout.rgb, alpha)


def bounded(raster: Raster, max_pixels: float) -> Raster:
    """The picture in the same shape with at most that many pixels."""
    pixels = raster.width * raster.height
    if pixels <= max_pixels:
        return raster
    long_side = math.floor(raster.long_side * math.sqrt(max_pixels / pixels))
    while math.prod(scaled(raster.width, raster.height, long_side)) > max_pixels and long_side > 1:
        long_side -= 1
    return resize(raster, max(1, long_side))


def _subject(raster: Raster) -> Box | None:
    assert raster.alpha is not None, "a cut-out has alpha"
    return subject_box(raster.alpha)


def _cropped(raster: Raster, box: Box, layout: Layout) -> tuple[Raster, Box]:
    top, right, bottom, left = (
        round(margin.of(side))
        for margin, side in zip(layout.margins, (box.height, box.width, box.height, box.width), strict=True)
    )
    canvas = Box(box.left - left, box.top - top, box.right + right, box.bottom + bottom)
    return to_canvas(raster, canvas), Box(left, top, left + box.width, top + box.height)


def _moved(raster: Raster, box: Box, layout: Layout) -> Raster:
    subject = to_canvas(raster, box)
    if layout.scale is not None:
        factor = layout.scale * min(raster.width / box.width, raster.height / box.height)
        subject = resize(subject, max(1, math.floor(subject.long_side * factor)))
    left = _start(box.left + box.right, subject.width, raster.width, layout.position and layout.position[0])
    top = _start(box.top + box.bottom, subject.height, raster.height, layout.position and layout.position[1])
    return to_canvas(subject, Box(-left, -top, raster.width - left, raster.height - top))


def _start(twice_centre: int, length: int, canvas: int, position: float | None) -> int:
    """Where the subject begins on one axis: at its position, else around the centre that it had."""
    room = canvas - length
    if position is not None:
        return round(position * room)
    return min(max(0, (twice_centre - length) // 2), room)
