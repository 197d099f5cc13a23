"""The only EXIF value that perkie uses: the orientation of the camera."""

from __future__ import annotations

import struct

UPRIGHT = 1
_ORIENTATION = 0x0112
_MOST_ENTRIES = 512
# TIFF's integer types by number: unsigned and signed, of 1, 2 and 4 bytes. SHORT is right, the others occur.
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}


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
    for at in range(first + 2, first + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
        if tag == _ORIENTATION and kind in _INTEGERS:
            (value,) = struct.unpack_from(f"{order}{_INTEGERS[kind]}", tiff, at + 8)
            if 1 <= value <= 8:
                return int(value)
    return UPRIGHT
