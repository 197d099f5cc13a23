"""The one thing that perkie wants from EXIF: how the camera was held."""

from __future__ import annotations

import struct

UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3


def orientation(exif: bytes) -> int:
    """1 to 8 (CIPA DC-008, tag 0x0112); upright when absent or unreadable. ``exif`` may begin with ``Exif\\0\\0``."""
    try:
        return _read(exif.removeprefix(b"Exif\0\0"))
    except struct.error:
        return UPRIGHT


def _read(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    for index in range(min(count, 512)):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * index)
        if tag == _ORIENTATION and kind == _SHORT and 1 <= value <= 8:
            return int(value)
    return UPRIGHT
