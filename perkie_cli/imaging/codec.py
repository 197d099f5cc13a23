"""The entry point for picture files: their header is checked here, before a pixel is decoded.

Importing it is cheap; Pillow and NumPy are loaded at the first call that needs pixels.

Every function is pure and thread-safe; memory is bounded by ``ImageLimits.max_pixels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.errors import BadInput, TooManyBytes, TooManyPixels, TooSmall
from perkie_cli.domain.photo import InputFormat, Inspection, Photo
from perkie_cli.domain.picture import QUALITY
from perkie_cli.domain.pictures.cache_key import content_hash
from perkie_cli.domain.units import format_size
from perkie_cli.imaging.damage import Damage, damage_named
from perkie_cli.imaging.headers import read_header
from perkie_cli.imaging.sizes import shrunk
from perkie_cli.imaging.sniff import sniff

if TYPE_CHECKING:
    from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
    from perkie_cli.imaging.containers.header import Header
    from perkie_cli.imaging.raster import Decoded, Raster

__all__ = [
    "InputFormat",
    "Inspection",
    "decode",
    "decode_photo",
    "encode",
    "encode_master",
    "inspect",
    "load",
    "photo",
    "resize",
    "sniff",
    "strip_metadata",
]


def load() -> None:
    """Imports what decoding needs, which the first photo would wait for."""
    import perkie_cli.imaging.decode  # noqa: F401  # for its imports


def photo(data: bytes, limits: ImageLimits, name: str = "image", *, uploaded_as: str | None = None) -> Photo:
    """Makes the ``Photo`` for ``data``; its header is checked against ``limits``.

    ``uploaded_as``: the hash of the original upload if ``data`` is its stored copy.

    Raises: the BadInput family, as ``inspect``.
    """
    return Photo(data, uploaded_as or content_hash(data), name, inspect(data, limits, name))


def inspect(data: bytes, limits: ImageLimits, source: str = "image") -> Inspection:
    """Recognises ``data`` and checks it against ``limits``; no pixel is decoded. ``source`` names it in messages.

    Raises: UnreadableFile, NotAnImage, TooManyBytes, CorruptImage, TooManyPixels, TooSmall.
    """
    if len(data) > limits.max_bytes:
        raise TooManyBytes(
            f"{source} has {format_size(len(data))}; at most {format_size(limits.max_bytes)} are accepted",
            hint="Send a smaller copy.",
        )
    kind = sniff(data, source)
    with damage_named(source, "its header does not read"):
        seen = _upright(kind, read_header(data, kind))
    _check_sides(seen, limits, source)
    return seen


def _upright(kind: InputFormat, header: Header) -> Inspection:
    width, height = header.width, header.height
    if min(width, height) == 0:
        raise Damage("its header gives no size")
    if header.orientation >= 5:  # 5 to 8 lie on their side
        width, height = height, width
    return Inspection(kind, width, height, header.frames, header.has_alpha, header.orientation)


def _check_sides(seen: Inspection, limits: ImageLimits, source: str) -> None:
    size = f"{source} is {seen.width} × {seen.height} px"
    least = f"at least {limits.min_side} px a side are needed"
    if seen.pixels > limits.max_pixels:
        raise TooManyPixels(
            f"{size}; at most {limits.max_pixels / 1e6:g} megapixels are accepted", hint="Send a smaller copy."
        )
    if min(seen.width, seen.height) < limits.min_side:
        raise TooSmall(f"{size}; {least}", hint="Send the picture at its full size.")
    width, height = shrunk(seen.width, seen.height, limits.max_side)
    if min(width, height) < min(limits.min_side, limits.max_side):
        raise TooSmall(f"{size}, {width} × {height} px when shrunk to fit; {least}", hint="Crop it to the pet.")


def decode(data: bytes, limits: ImageLimits, source: str = "image") -> Decoded:
    """``decode.decode``: the whole picture, upright, in sRGB, within the limits; raises the BadInput family."""
    from perkie_cli.imaging import decode as module

    return module.decode(data, limits, source, inspect(data, limits, source))


def decode_photo(photo: Photo, limits: ImageLimits) -> Decoded:
    """``decode`` for a photo, whose header was read within these limits at the door.

    Raises: CorruptImage, BadInput when nothing of it can be seen.
    """
    from perkie_cli.imaging import decode as module

    decoded = module.decode(photo.data, limits, photo.name, photo.seen)
    if decoded.raster.alpha is not None and not decoded.raster.alpha.any():
        raise BadInput(
            f"{photo.name} is fully transparent: nothing of it can be seen",
            hint="Send the photo itself, or save it without transparency.",
        )
    return decoded


def encode(raster: Raster, kind: ImageFormat, quality: int = QUALITY) -> EncodedPicture:
    """``encode.encode``: a file without metadata; alpha goes over white for JPEG."""
    from perkie_cli.imaging import encode as module

    return module.encode(raster, kind, quality)


def encode_master(raster: Raster) -> EncodedPicture:
    """``encode.encode_master``: the one stored form."""
    from perkie_cli.imaging import encode as module

    return module.encode_master(raster)


def resize(raster: Raster, long_side: int) -> Raster:
    """``pillow.resize``: the same picture with that long side in px."""
    from perkie_cli.imaging import pillow

    return pillow.resize(raster, long_side)


def strip_metadata(data: bytes, limits: ImageLimits, source: str = "image") -> EncodedPicture:
    """An upload as it may be stored: no EXIF, GPS, XMP, profile, thumbnail or appended payload; upright; sRGB.

    It is decoded and encoded again as a master. Removing segments would keep the exact pixels, but would not apply the
    orientation, not read HEIC, and keep anything hidden in unknown segments; the loss at quality 92 without chroma
    subsampling is invisible. Raises: the BadInput family.
    """
    return encode_master(decode(data, limits, source).raster)
