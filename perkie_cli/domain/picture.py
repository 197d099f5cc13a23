"""Pictures as bytes: formats, sizes and limits."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen

MIB = 1024 * 1024


DEFAULT_SIZE = 1024  # px on the long side of a styled picture
SMALLEST_SIZE, LARGEST_SIZE = 256, 4096  # px; the same for every engine, so that one can replace another
NOT_KEPT = "the picture could not be kept"  # a warning; the text after its colon is for the operator only
QUALITY = 90  # of JPEG and WebP, 1 to 100
MASTER_QUALITY = 92  # of pictures that will be encoded again


class ImageFormat(StrEnum):
    """The formats that perkie writes. It also reads HEIC."""

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

    @property
    def longest_side(self) -> int:
        """In pixels: the limit of libjpeg, libwebp and libpng."""
        return {ImageFormat.JPEG: 65_500, ImageFormat.WEBP: 16_383, ImageFormat.PNG: 1_000_000}[self]


@frozen
class ImageLimits:
    """Limits of an input. Sides are in pixels; checked from the header, before any pixel is decoded."""

    max_bytes: int = 50 * MIB
    min_side: int = 256
    max_side: int = 4096  # longer ones are shrunk, with a note
    max_pixels: int = 50_000_000


@frozen
class EncodedPicture:
    """A picture ready to be stored or sent: ``width`` and ``height`` in pixels."""

    data: bytes
    format: ImageFormat
    width: int
    height: int


def master_format(has_alpha: bool) -> ImageFormat:
    """The one stored form: JPEG, or PNG where there is alpha."""
    return ImageFormat.PNG if has_alpha else ImageFormat.JPEG


def check_size(size: int) -> None:
    """Checks the long side of a picture to draw, in px.

    Raises: InvalidParameter.
    """
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise InvalidParameter(f"a picture can be {SMALLEST_SIZE} to {LARGEST_SIZE} px long, not {size}")
