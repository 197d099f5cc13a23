"""Decodes bytes to a ``Raster``: upright, sRGB, 8 bits, within the limits, complete."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from perkie_cli.domain.photo import InputFormat, Inspection
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging.colour import in_8_bits, to_srgb
from perkie_cli.imaging.damage import Damage, damage_named
from perkie_cli.imaging.decoders import jpeg, png, webp
from perkie_cli.imaging.decoders.pixels import Pixels
from perkie_cli.imaging.raster import Decoded, Raster
from perkie_cli.imaging.sizes import shrunk

# Pillow warns about broken metadata, which perkie drops anyway; users need not see that.
warnings.filterwarnings("ignore", module=r"PIL\.")

LARGE = 16_000_000  # pixels: as many as a picture has that was shrunk to fit
_ALONE = threading.Lock()  # one large picture at a time: while it is decoded, it takes up to ten bytes a pixel


def _heif(data: bytes) -> Pixels:
    from perkie_cli.imaging.decoders import heif  # late: libheif takes long to load, and few photos are HEIC

    return heif.decode(data)


_DECODERS: dict[InputFormat, Callable[[bytes], Pixels]] = {
    InputFormat.PNG: png.decode,
    InputFormat.WEBP: webp.decode,
    InputFormat.HEIF: _heif,
}

_TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[Any]]] = {
    2: lambda plane: cv2.flip(plane, 1),
    3: lambda plane: cv2.rotate(plane, cv2.ROTATE_180),
    4: lambda plane: cv2.flip(plane, 0),
    5: cv2.transpose,
    6: lambda plane: cv2.rotate(plane, cv2.ROTATE_90_CLOCKWISE),
    7: lambda plane: cv2.rotate(cv2.transpose(plane), cv2.ROTATE_180),
    8: lambda plane: cv2.rotate(plane, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def decode(data: bytes, limits: ImageLimits, source: str, seen: Inspection) -> Decoded:
    """The complete picture; ``notes`` list changes and problems. ``source`` names it in messages; ``seen`` is
    what ``codec.inspect`` found within the same limits.

    Raises: CorruptImage.
    """
    with _ALONE if seen.pixels > LARGE else nullcontext():
        return _decoded(data, limits, source, seen)


def _decoded(data: bytes, limits: ImageLimits, source: str, seen: Inspection) -> Decoded:
    size = shrunk(seen.width, seen.height, limits.max_side)
    lying = size[::-1] if seen.lies_on_its_side else size
    with damage_named(source, "the picture data ends too early or does not decode"):
        pixels = _load(data, seen, lying)
    pixels = in_8_bits(pixels)
    if pixels.size != lying:
        from perkie_cli.imaging import pillow  # late: see there

        pixels = pillow.resized(pixels, lying)
    rgb, colour_note = to_srgb(pixels)
    raster = _turned(rgb, pixels.alpha, seen.orientation)
    return Decoded(raster, tuple(filter(None, (*_size_notes(seen, size), *pixels.notes, colour_note))))


def _load(data: bytes, seen: Inspection, least: tuple[int, int]) -> Pixels:
    """Not smaller than ``least`` px: a huge JPEG is decoded in eighths of its size right away."""
    size = (seen.height, seen.width) if seen.lies_on_its_side else (seen.width, seen.height)
    if seen.format is InputFormat.JPEG:
        return jpeg.decode(data, size, least)
    pixels = _DECODERS[seen.format](data)
    if pixels.size != size:
        raise Damage("its header contradicts itself")
    return pixels


def _turned(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, orientation: int) -> Raster:
    if alpha is not None and alpha.min() == 255:
        alpha = None
    turn = _TURNS.get(orientation)
    if turn is None:
        return Raster(rgb, alpha)
    return Raster(np.asarray(turn(rgb), np.uint8), None if alpha is None else np.asarray(turn(alpha), np.uint8))


def _size_notes(seen: Inspection, size: tuple[int, int]) -> Iterator[str]:
    if seen.frames > 1:
        yield f"animated: the first of {seen.frames} frames is used"
    if size != (seen.width, seen.height):
        yield f"shrunk from {seen.width} × {seen.height} to {size[0]} × {size[1]} px"
