"""Pictures as bytes: formats, limits and what was noted about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024


class ImageFormat(StrEnum):
    """What perkie writes. It reads HEIC besides."""

    JPEG = "jpg"
    PNG = "png"
    WEBP = "webp"

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return "image/jpeg" if self is ImageFormat.JPEG else f"image/{self.value}"

    @property
    def has_alpha(self) -> bool:
        """Whether the format can hold transparency."""
        return self is not ImageFormat.JPEG


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an input may be. Sides in pixels; checked on the header, before any pixel is decoded."""

    max_bytes: int = 50 * MIB
    min_side: int = 256
    max_side: int = 4096  # longer ones are shrunk, with a note
    max_pixels: int = 50_000_000


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture ready to be stored or sent: ``width`` and ``height`` in pixels."""

    data: bytes
    format: ImageFormat
    width: int
    height: int
