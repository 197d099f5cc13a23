"""Checks the boxes of a HEIF file (ISO/IEC 23008-12 in ISO/IEC 14496-12) where libheif does not.

libheif decodes a truncated file with black or green tiles, and does not name a codec that it lacks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.damage import Damage, Unsupported

_MOST_BOXES = 10_000
_IN_FILE, _IN_IDAT = 0, 1  # construction methods of an item
_START_CODE = re.compile(rb"\0\0[\0-\2]")
_HEVC = frozenset({b"hvc1", b"hev1"})
_DERIVED = frozenset({b"grid", b"iden", b"iovl", b"tmap"})  # made of other items
_CODECS = {  # item type → what such a file is
    b"av01": "an AVIF image",
    b"avc1": "an HEIF image in AVC",
    b"vvc1": "an HEIF image in VVC",
    b"evc1": "an HEIF image in EVC",
    b"jpeg": "an HEIF image in JPEG",
    b"j2k1": "an HEIF image in JPEG 2000",
    b"unci": "an uncompressed HEIF image",
}


@frozen
class HeifBox:
    """``data[start:end]`` is the content; ``end`` may lie behind the end of the file."""

    kind: bytes
    start: int
    end: int


def check(data: bytes) -> None:
    """Whether every part of the file is there, and in a codec that is read.

    Raises: Damage, Unsupported; on hostile bytes nearly anything else.
    """
    top = list(boxes(data, 0, len(data)))
    if any(box.end > len(data) for box in top if box.kind in (b"meta", b"mini", b"mdat", b"moov")):
        raise Damage("it ends too early")
    meta = next((box for box in top if box.kind == b"meta"), None)
    if meta is None:
        return  # a sequence of pictures: libheif says whether it reads it
    inside = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    types = dict(_types(data, inside[b"iinf"]))
    _check_codec(types, _primary(data, inside[b"pitm"]), dict(_parts(data, inside.get(b"iref"))))
    for item, extents in _extents(data, inside):
        if any(end > len(data) for _, end in extents):
            raise Damage("it ends too early")
        if types.get(item) in _HEVC:
            _check_units(b"".join(data[start:end] for start, end in extents), _length_size(data, inside))


def boxes(data: bytes, start: int, end: int) -> Iterator[HeifBox]:
    """Yields the boxes between two offsets."""
    at = start
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        content = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = end if size == 0 else at + size
        if stop < content:
            raise Damage("a box of its container has no size")
        yield HeifBox(kind, content, stop)
        at = stop
    raise Damage("it has too many boxes")


def _primary(data: bytes, box: HeifBox) -> int:
    return _number(data, box.start + 4, 4 if data[box.start] else 2)


def _types(data: bytes, box: HeifBox) -> Iterator[tuple[int, bytes]]:
    """Yields each item's id and type."""
    for entry in boxes(data, box.start + (8 if data[box.start] else 6), box.end):
        wide = 4 if data[entry.start] >= 3 else 2
        at = entry.start + 4 + wide + 2
        yield _number(data, entry.start + 4, wide), data[at : at + 4]


def _parts(data: bytes, box: HeifBox | None) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yields each derived item's id with those of the items it is made of."""
    if box is None:
        return
    wide = 4 if data[box.start] else 2
    for each in boxes(data, box.start + 4, box.end):
        if each.kind == b"dimg":
            count = _number(data, each.start + wide, 2)
            first = each.start + wide + 2
            yield _number(data, each.start, wide), tuple(_number(data, first + wide * n, wide) for n in range(count))


def _check_codec(types: dict[int, bytes], item: int, parts: dict[int, tuple[int, ...]]) -> None:
    seen, waiting = set[int](), [item]
    while waiting:
        item = waiting.pop()
        kind = types.get(item, b"")
        if item in seen:
            continue
        seen.add(item)
        if kind in _DERIVED:
            waiting.extend(parts.get(item, ()))
        elif kind and kind not in _HEVC:
            raise Unsupported(_CODECS.get(kind, "an HEIF image in an unknown codec"))


def _extents(data: bytes, meta: dict[bytes, HeifBox]) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yields each item's id and where its data starts and ends in the file; left out is what lies in other items."""
    at = meta[b"iloc"].start
    version, sizes = data[at], int.from_bytes(data[at + 4 : at + 6], "big")
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    count, at = _number(data, at + 6, wide), at + 6 + wide
    for _ in range(count):
        item, at = _number(data, at, wide), at + wide
        method, at = (_number(data, at, 2) & 15, at + 2) if version else (0, at)
        base, at = _number(data, at + 2, base_size), at + 2 + base_size
        extents, at = _number(data, at, 2), at + 2
        found = []
        for _ in range(extents):
            at += index_size if version else 0
            start, length = base + _number(data, at, offset_size), _number(data, at + offset_size, length_size)
            at += offset_size + length_size
            found.append((start, start + length))
        if method == _IN_FILE:
            yield item, found
        elif method == _IN_IDAT:
            own = meta[b"idat"]
            if any(end > own.end - own.start for _, end in found):
                raise Damage("it ends too early")
            yield item, [(own.start + start, own.start + end) for start, end in found]


def _length_size(data: bytes, meta: dict[bytes, HeifBox]) -> int:
    """Bytes of the length before each NAL unit (ISO/IEC 14496-15, 8.3.3)."""
    properties = next(boxes(data, meta[b"iprp"].start, meta[b"iprp"].end))
    found = (box for box in boxes(data, properties.start, properties.end) if box.kind == b"hvcC")
    return next((data[box.start + 21] & 3 for box in found), 3) + 1


def _check_units(item: bytes, length_size: int) -> None:
    """Each NAL unit with its length, to the end; inside of one, three bytes that look like a start never occur
    (ITU-T H.265, 7.4.2): a hole of zeros does not go unnoticed.
    """
    at = 0
    while at < len(item):
        start = at + length_size
        at = start + _number(item, at, length_size)
        if at > len(item) or at < start + 2 or _START_CODE.search(item, start, at):
            raise Damage("its picture data is damaged")


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise Damage("it ends too early")
    return int.from_bytes(data[at : at + size], "big")
