"""Walks the segments of a JPEG (ITU-T T.81 annex B), so that only what decides its pixels ever reaches a decoder."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.containers.exif import UPRIGHT, orientation
from perkie_cli.imaging.containers.header import Header
from perkie_cli.imaging.damage import Damage, Unsupported

_MOST_SEGMENTS = 10_000
_MOST_SCANS = 200  # encoders make about ten, and each costs a pass over the whole picture

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_DHT, _DAC, _END, _SCAN, _DQT, _DRI = 0xC4, 0xCC, 0xD9, 0xDA, 0xDB, 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_READ_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA})  # none of hierarchical JPEG, which nobody decodes
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_ARITHMETIC = frozenset({0xC9, 0xCA})
_TABLES = frozenset({_DHT, _DAC, _DQT, _DRI})
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
# What may follow coded data. Any other byte after an 0xFF is a restart marker, a stuffed zero, or damage inside of it.
_AFTER_SCAN = re.compile(rb"\xff[\xc0-\xcf\xd8-\xef\xfe]")


@frozen
class Segment:
    """``data[start:end]`` with its marker, ``data[body:end]`` without marker and length."""

    marker: int
    start: int
    body: int
    end: int


@frozen
class Scan:
    """One pass over the picture: which bits of which coefficients of which components."""

    components: tuple[int, ...]
    first: int  # coefficient, 0 to 63
    last: int
    missing_bits: int  # still to come
    restart_interval: int  # in units of the scan; 0: there are no restart markers
    tables: bytes  # the segments before it
    coded: bytes  # its header and its data


@frozen
class Jpeg:
    """The parts of a JPEG that decide its pixels."""

    components: tuple[int, ...]
    sampling: tuple[int, int]  # blocks of 8 px in a unit of the one scan that holds all components
    is_progressive: bool
    is_arithmetic: bool  # not Huffman
    head: bytes  # what stands before the first scan's tables
    scans: tuple[Scan, ...]
    profile: bytes | None
    is_adobe: bool  # CMYK is stored inverted then
    is_ended: bool  # by its own end marker

    def file(self) -> bytes:
        """A JPEG of these parts: no metadata, nothing after its end."""
        return b"".join((_SOI, self.head, *(part for scan in self.scans for part in (scan.tables, scan.coded)), _EOI))


def header(data: bytes) -> Header:
    """The frame header, and the first EXIF segment before the first scan."""
    size, turned = None, None
    for each in segments(data):
        if each.marker == _SCAN:
            break
        if each.marker in _FRAMES and size is None:
            precision, *size = struct.unpack_from(">BHH", data, each.body)
            _check_frame(each.marker, precision)
        elif each.marker == _APP1 and turned is None and data.startswith(b"Exif\0\0", each.body):
            turned = orientation(data[each.body : each.end])
    if size is None:
        raise Damage("it has no frame header")
    return Header(width=size[1], height=size[0], orientation=turned or UPRIGHT)


def _check_frame(marker: int, precision: int) -> None:
    if marker not in _READ_FRAMES:
        raise Unsupported("a hierarchical JPEG")
    if precision != 8:
        raise Unsupported(f"a JPEG of {precision} bits a channel")


def segments(data: bytes) -> Iterator[Segment]:
    """Yields every segment up to the picture's end; of a scan its header. What follows is not looked at: a film or
    another picture behind it is no part of it.

    Raises: Damage, where it ends before the first scan or is cut into absurdly many segments.
    """
    at, in_scans = 2, False
    for _ in range(_MOST_SEGMENTS):
        start = _next_marker(data, at, in_scans)
        if start is None:
            return
        marker, body = data[start + 1], start + 4
        end = start + 2 + int.from_bytes(data[start + 2 : body], "big")
        if marker == _END or (in_scans and (marker in _FRAMES or marker == 0xD8 or end > len(data))):
            yield Segment(_END, start, start + 2, start + 2)
            return  # a frame after a scan belongs to something else
        if not body <= end <= len(data):
            raise Damage("it ends too early")
        yield Segment(marker, start, body, end)
        in_scans = in_scans or marker == _SCAN
        at = end
    if not in_scans:
        raise Damage("it has too many segments")


def _next_marker(data: bytes, at: int, in_scans: bool) -> int | None:
    if in_scans:
        found = _AFTER_SCAN.search(data, at)
        return found.start() if found else None
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] not in (0x00, 0x01, 0xFF) and not 0xD0 <= data[at + 1] <= 0xD8:
            return at
        at += 1


def parts(data: bytes) -> Jpeg:
    """What decides the pixels of ``data``, whose header was read before.

    Raises: Damage, where it has no scan, too many of them, or two frames.
    """
    walked = list(segments(data))
    frames = [each for each in walked if each.marker in _FRAMES]
    scans = tuple(_scans(data, walked))
    if len(frames) != 1:
        raise Damage("its header contradicts itself")
    if not 1 <= len(scans) <= _MOST_SCANS:
        raise Damage("it has too many scans" if scans else "it holds no picture")
    frame = frames[0]
    adobe = _first(data, walked, _APP14, b"Adobe")
    factors = data[frame.body + 7 : frame.end : 3]
    return Jpeg(
        components=tuple(data[frame.body + 6 : frame.end : 3]),
        sampling=(max(f >> 4 for f in factors), max(f & 15 for f in factors)) if len(factors) > 1 else (1, 1),
        is_progressive=frame.marker in _PROGRESSIVE,
        is_arithmetic=frame.marker in _ARITHMETIC,
        head=_first(data, walked, _APP0, b"JFIF\0") + adobe + data[frame.start : frame.end],
        scans=scans,
        profile=_profile(data, walked),
        is_adobe=bool(adobe),
        is_ended=data.startswith(_EOI, walked[-1].start),
    )


def _first(data: bytes, walked: Sequence[Segment], marker: int, name: bytes) -> bytes:
    """The first segment of that marker and name, as it stands; nothing where there is none."""
    found = (each for each in walked if each.marker == marker and data.startswith(name, each.body))
    return next((data[each.start : each.end] for each in found), b"")


def _profile(data: bytes, walked: Sequence[Segment]) -> bytes | None:
    """ICC.1 annex B.4: in pieces of 64 kB, each with its number and how many there are."""
    icc = b"ICC_PROFILE\0"
    pieces = sorted(
        data[each.body + len(icc) : each.end]
        for each in walked
        if each.marker == _APP2 and data.startswith(icc, each.body)
    )
    return b"".join(piece[2:] for piece in pieces) or None


def _scans(data: bytes, walked: Sequence[Segment]) -> Iterator[Scan]:
    tables, interval = list[bytes](), 0
    for each, following in zip_longest(walked, walked[1:]):
        if each.marker in _TABLES:
            tables.append(data[each.start : each.end])
        if each.marker == _DRI:
            interval = int.from_bytes(data[each.body : each.end], "big")
        elif each.marker == _SCAN:
            count = data[each.body]
            first, last, approximation = data[each.body + 1 + 2 * count : each.body + 4 + 2 * count]
            yield Scan(
                components=tuple(data[each.body + 1 : each.body + 1 + 2 * count : 2]),
                first=first,
                last=last,
                missing_bits=approximation & 15,
                restart_interval=interval,
                tables=b"".join(tables),
                coded=data[each.start : following.start if following else len(data)],
            )
            tables.clear()
