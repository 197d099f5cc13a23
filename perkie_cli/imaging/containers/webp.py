"""Walks the chunks of a WebP (RFC 9649): opening it with a library would already allocate its canvas."""

from __future__ import annotations

from collections.abc import Iterator

from perkie_cli.imaging.containers.exif import UPRIGHT, orientation
from perkie_cli.imaging.containers.header import Header
from perkie_cli.imaging.damage import Damage

_MOST_CHUNKS = 10_000


def header(data: bytes) -> Header:
    """The size stands in the extended header, else in the one bitstream."""
    size, alpha, turned, frames = None, False, UPRIGHT, 0
    for name, start, end in _chunks(data):
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


def profile(data: bytes) -> bytes | None:
    """The ICC profile, if there is one."""
    return next((data[start:end] for name, start, end in _chunks(data) if name == b"ICCP"), None)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at, whole = 12, 8 + _little(data, 4, 4)
    if whole > len(data):
        raise Damage("it ends too early")
    for _ in range(_MOST_CHUNKS):
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
