"""An uploaded photo: one value all the way from the entry point to the engine."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from perkie_cli.domain.frozen import frozen


class InputFormat(StrEnum):
    """The formats that perkie reads."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    HEIF = "heif"

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return f"image/{self.value}"


@frozen
class Inspection:
    """What the header says. ``width`` and ``height`` in px, upright; ``orientation`` is the EXIF value behind that."""

    format: InputFormat
    width: int
    height: int
    frames: int
    has_alpha: bool
    orientation: int

    @property
    def lies_on_its_side(self) -> bool:
        """Whether width and height are exchanged in the file."""
        return self.orientation >= 5

    @property
    def pixels(self) -> int:
        """The number of pixels, the measure of decoding cost."""
        return self.width * self.height


@frozen
class Photo:
    """A picture in a readable format and within the limits. ``imaging.codec.photo`` checks and makes it.

    ``data`` is the uploaded file, or its stored copy; ``hash`` the SHA-256 of the uploaded bytes in hex, the key of
    everything made from it; ``name`` is for messages (a path, a field); ``seen`` what its header says, read once.
    """

    data: bytes = field(repr=False)
    hash: str
    name: str
    seen: Inspection

    @property
    def pixels(self) -> int:
        """The number of pixels, the measure of decoding cost."""
        return self.seen.pixels
