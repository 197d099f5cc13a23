"""Bytes to ``Raster``: upright, sRGB, 8 bits, within the limits; whole or refused.

Pillow's plugin classes are opened directly: each format by its own decoder only (no guessing, no MPO), and without
``Image.open``'s own pixel check, which warns; ours has run on the header by then.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pillow_heif
from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import png
from perkie_cli.imaging.colour import to_srgb
from perkie_cli.imaging.damage import Damage, damage_named
from perkie_cli.imaging.inspection import Inspection, inspect, shrunk
from perkie_cli.imaging.raster import Decoded, Raster
from perkie_cli.imaging.sniff import InputFormat

# Pillow warns about broken metadata that perkie drops anyway; nothing of that is for the user's eyes.
warnings.filterwarnings("ignore", module=r"PIL\.")

_MOST_SCANS = 200  # of a JPEG: encoders make about ten, and each costs a pass over the whole picture

_OPENERS: dict[InputFormat, Callable[[bytes], Image.Image]] = {
    InputFormat.JPEG: lambda data: JpegImagePlugin.JpegImageFile(io.BytesIO(data)),
    InputFormat.PNG: lambda data: PngImagePlugin.PngImageFile(io.BytesIO(png.essentials(data))),
    InputFormat.WEBP: lambda data: WebPImagePlugin.WebPImageFile(io.BytesIO(data)),
    # its __init__ passes on what it is given, without annotations
    InputFormat.HEIF: lambda data: pillow_heif.HeifImageFile(io.BytesIO(data)),  # type: ignore[no-untyped-call]
}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, limits: ImageLimits, source: str = "image") -> Decoded:
    """The whole picture; ``notes`` say what was changed on the way. ``source`` names it in messages.

    Raises: UnreadableFile, NotAnImage, TooManyBytes, CorruptImage, TooManyPixels, TooSmall.
    """
    seen = inspect(data, limits, source)
    with damage_named(source, "the picture data ends too early or does not decode"):
        image, profile = _load(data, seen, limits.max_side)
        image = _plain(image)
    size = shrunk(seen.width, seen.height, limits.max_side)
    if seen.orientation in _TURNS:
        image = image.transpose(_TURNS[seen.orientation])
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)  # Pillow premultiplies by alpha meanwhile
    raster, colour_note = _raster(image, profile)
    notes = [*_size_notes(seen, size), *([colour_note] if colour_note else [])]
    return Decoded(raster, tuple(notes))


def _load(data: bytes, seen: Inspection, max_side: int) -> tuple[Image.Image, bytes | None]:
    if seen.format is InputFormat.JPEG and data.count(b"\xff\xda") > _MOST_SCANS:
        raise Damage("it has too many scans")
    image = _OPENERS[seen.format](data)
    if sorted(image.size) != sorted((seen.width, seen.height)):
        raise Damage("its header contradicts itself")
    profile = image.info.get("icc_profile")
    if seen.format is InputFormat.JPEG:  # a huge one is decoded at 1/2, 1/4 or 1/8 right away
        image.draft(image.mode, shrunk(*image.size, max_side))
    image.load()
    return image, profile


def _plain(image: Image.Image) -> Image.Image:
    """Any mode as one of L, LA, RGB, RGBA, CMYK at 8 bits."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        return _grey_from_16_bits(image, key if isinstance(key, int) else None)
    if image.mode == "RGB" and isinstance(key, tuple):
        image.info["transparency"] = tuple(part >> 8 if max(key) > 255 else part for part in key)
    if image.mode == "PA" or key is not None:
        return image.convert("RGBA" if image.mode in ("P", "PA", "RGB") else "LA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _grey_from_16_bits(image: Image.Image, key: int | None) -> Image.Image:
    """Pillow's own conversion clips at 255."""
    deep = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((deep * 255 + 32895) >> 16).astype(np.uint8))
    if key is None:
        return grey
    grey.putalpha(Image.fromarray(np.where(deep == key, 0, 255).astype(np.uint8)))
    return grey


def _raster(image: Image.Image, profile: bytes | None) -> tuple[Raster, str | None]:
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("L") if image.mode == "LA" else image.convert("RGB")
    rgb, note = to_srgb(image, profile)
    return Raster(np.asarray(rgb), None if alpha is None or alpha.min() == 255 else alpha), note


def _size_notes(seen: Inspection, size: tuple[int, int]) -> Iterator[str]:
    if seen.frames > 1:
        yield f"animated: the first of {seen.frames} frames is used"
    if size != (seen.width, seen.height):
        yield f"shrunk from {seen.width} × {seen.height} to {size[0]} × {size[1]} px"
