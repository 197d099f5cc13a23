"""Reads size, orientation, frames and alpha from the header of each format, without decoding a pixel.

JPEG, PNG and WebP are parsed here, since opening them with a library already allocates (WebP) or warns; HEIF is
opened by libheif, which reads boxes only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from perkie_cli.imaging import png
from perkie_cli.imaging.damage import Damage
from perkie_cli.imaging.exif import UPRIGHT, orientation
from perkie_cli.imaging.sniff import InputFormat

_MOST_SEGMENTS = 10_000


@dataclass(frozen=True, slots=True)
class Header:
    """``width`` and ``height`` in px as stored, before ``orientation`` (EXIF, 1 to 8) is applied."""

    width: int
    height: int
    orientation: int = UPRIGHT
    frames: int = 1
    has_alpha: bool = False


def read_header(data: bytes, kind: InputFormat) -> Header:
    """The header of ``data``, which begins as a ``kind`` does.

    Raises: Damage where the reason is known; on hostile bytes nearly anything else.
    """
    return _PARSERS[kind](data)


def _jpeg(data: bytes) -> Header:
    """ITU-T T.81 annex B: the frame header, and the first EXIF segment before the first scan."""
    size, turned = None, None
    for marker, start, end in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and size is None:
            size = struct.unpack_from(">HH", data, start + 1)
        elif marker == 0xE1 and turned is None and data[start : start + 6] == b"Exif\0\0":
            turned = orientation(data[start:end])
    if size is None:
        raise Damage("it has no frame header")
    return Header(width=size[1], height=size[0], orientation=turned or UPRIGHT)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, start, end of the content) up to the first scan."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        at = data.index(b"\xff", at)
        while data[at] == 0xFF:  # fill bytes
            at += 1
        marker = data[at]
        at += 1
        if marker == 0xDA:
            return
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD9:
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        if not at + 2 <= end <= len(data):
            raise Damage("it ends too early")
        yield marker, at + 2, end
        at = end
    raise Damage("it has too many segments")


def _png(data: bytes) -> Header:
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    turned, frames, alpha = UPRIGHT, 1, colour in (4, 6)
    for name, start, end in png.chunks(data):
        if name == b"eXIf":
            turned = orientation(data[start:end])
        elif name == b"acTL":
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
        elif name == b"tRNS":
            alpha = True
    return Header(width, height, turned, frames, alpha)


def _webp(data: bytes) -> Header:
    """RFC 9649: the size stands in the extended header, else in the one bitstream."""
    size, alpha, turned, frames = None, False, UPRIGHT, 0
    for name, start, end in _riff_chunks(data):
        if name == b"VP8X":
            alpha = bool(data[start] & 0x10)
            size = (_little(data, start + 4, 3) + 1, _little(data, start + 7, 3) + 1)
        elif name == b"VP8 " and size is None:
            size = (_little(data, start + 6, 2) & 0x3FFF, _little(data, start + 8, 2) & 0x3FFF)
        elif name == b"VP8L" and size is None:
            bits = _little(data, start + 1, 4)
            size, alpha = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), bool(bits >> 28 & 1)
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            turned = orientation(data[start:end])
    if size is None:
        raise Damage("it holds no picture")
    return Header(*size, turned, max(1, frames), alpha)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at, whole = 12, 8 + _little(data, 4, 4)
    if whole > len(data):
        raise Damage("it ends too early")
    for _ in range(_MOST_SEGMENTS):
        if at + 8 > whole:
            return
        end = at + 8 + _little(data, at + 4, 4)
        if end > whole:
            raise Damage("it ends too early")
        yield data[at : at + 4], at + 8, end
        at = end + (end & 1)
    raise Damage("it has too many chunks")


def _little(data: bytes, at: int, count: int) -> int:
    if at + count > len(data):
        raise Damage("it ends too early")
    return int.from_bytes(data[at : at + count], "little")


def _heif(data: bytes) -> Header:
    """libheif applies the container's own rotation; its EXIF orientation is informative only (ISO/IEC 23008-12)."""
    import pillow_heif

    try:
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        image = opened[opened.primary_index]
        return Header(*image.size, frames=1, has_alpha=image.has_alpha)
    except (RuntimeError, OSError, SyntaxError, EOFError, TypeError) as error:
        raise Damage("its container does not read") from error


_PARSERS: dict[InputFormat, Callable[[bytes], Header]] = {
    InputFormat.JPEG: _jpeg,
    InputFormat.PNG: _png,
    InputFormat.WEBP: _webp,
    InputFormat.HEIF: _heif,
}
