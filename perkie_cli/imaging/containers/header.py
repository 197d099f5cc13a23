"""The facts in a file's header, before a pixel is decoded."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.containers.exif import UPRIGHT


@frozen
class Header:
    """``width`` and ``height`` in px as stored, before ``orientation`` (EXIF, 1 to 8) is applied."""

    width: int
    height: int
    orientation: int = UPRIGHT
    frames: int = 1
    has_alpha: bool = False


@frozen
class CodePoints:
    """Colour code points (ITU-T H.273): the primaries and the transfer function."""

    primaries: int
    transfer: int
