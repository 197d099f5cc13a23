"""Decodes bytes to a ``Raster``: upright, sRGB, 8 bits, within the limits, complete."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from perkie_cli.domain.photo import InputFormat, Inspection
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging.colour import as_image, in_8_bits, to_srgb
from perkie_cli.imaging.damage import Damage, damage_named
from perkie_cli.imaging.decoders import heif, jpeg, png, webp
from perkie_cli.imaging.decoders.pixels import Pixels
from perkie_cli.imaging.inspection import inspect, shrunk
from perkie_cli.imaging.raster import Decoded, Raster

# Pillow warns about broken metadata, which perkie drops anyway; users need not see that.
warnings.filterwarnings("ignore", module=r"PIL\.")

_DECODERS: dict[InputFormat, Callable[[bytes], Pixels]] = {
    InputFormat.PNG: png.decode,
    InputFormat.WEBP: webp.decode,
    InputFormat.HEIF: heif.decode,
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


def decode(data: bytes, limits: ImageLimits, source: str = "image", seen: Inspection | None = None) -> Decoded:
    """The complete picture; ``notes`` list changes and problems. ``source`` names it in messages; ``seen`` is
    what ``inspect`` found within the same limits, if it was asked already.

    Raises: UnreadableFile, NotAnImage, TooManyBytes, CorruptImage, TooManyPixels, TooSmall.
    """
    seen = seen or inspect(data, limits, source)
    size = shrunk(seen.width, seen.height, limits.max_side)
    lying = size[::-1] if seen.lies_on_its_side else size
    with damage_named(source, "the picture data ends too early or does not decode"):
        pixels = _load(data, seen, lying)
    pixels = in_8_bits(pixels)
    if pixels.size != lying:
        pixels = _resized(pixels, lying)
    rgb, colour_note = to_srgb(pixels)
    raster = _turned(rgb, pixels.alpha, seen.orientation)
    return Decoded(raster, tuple(filter(None, (*_size_notes(seen, size), *pixels.notes, colour_note))))


def _load(data: bytes, seen: Inspection, least: tuple[int, int]) -> Pixels:
    """Not smaller than ``least`` px: a huge JPEG is decoded at 1/2, 1/4 or 1/8 right away."""
    size = (seen.height, seen.width) if seen.lies_on_its_side else (seen.width, seen.height)
    if seen.format is InputFormat.JPEG:
        return jpeg.decode(data, size, least)
    pixels = _DECODERS[seen.format](data)
    if pixels.size != size:
        raise Damage("its header contradicts itself")
    return pixels


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    image = as_image(pixels.colour)
    if pixels.alpha is None:
        return replace(pixels, colour=np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
    plain = image.mode
    image.putalpha(Image.fromarray(pixels.alpha))
    image = image.resize(size, Image.Resampling.LANCZOS)  # Pillow premultiplies by alpha meanwhile
    return replace(pixels, colour=np.asarray(image.convert(plain)), alpha=np.asarray(image.getchannel("A")))


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
