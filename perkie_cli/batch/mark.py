"""A mark inside each output that says perkie made it, so that it is recognised without a record and after moving it.

It is a comment segment in JPEG (ITU-T T.81 B.2.4.5), a ``tEXt`` chunk in PNG, and a private chunk after the picture in
WebP, which readers skip (RFC 9649 section 2.3). It says nothing about the photo or its owner.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

_WORD = b"made by perkie: "
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 4096  # bytes; the mark of a JPEG or PNG is within them
_CHUNK = b"PRKI"


class OutputKind(StrEnum):
    """The kind of an output, to recognise it among inputs."""

    PICTURE = "picture"
    CUTOUT = "cutout"


def marked(data: bytes, kind: OutputKind) -> bytes:
    """The encoded picture with the mark added; the pixels do not change."""
    text = _WORD + kind.encode()
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[2:]
    if data.startswith(_PNG):
        end = len(_PNG) + 25  # after IHDR, which is always first and 13 bytes long
        return data[:end] + _png_chunk(b"tEXt", b"Software\0" + text) + data[end:]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        chunk = _CHUNK + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
        return b"RIFF" + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:] + chunk
    return data


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def mark_of(path: Path) -> OutputKind | None:
    """The kind of output that a file is; None if perkie did not make it or it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if head[:4] == b"RIFF":  # WebP has its mark at the end
                file.seek(max(0, path.stat().st_size - 64))
                head = head[:12] + file.read()
    except OSError:
        return None
    return kind_in(head)


def kind_in(data: bytes) -> OutputKind | None:
    """The kind of output that an encoded picture is; None if perkie did not make it."""
    return next((kind for kind in OutputKind if any(text == _WORD + kind.encode() for text in _texts(data))), None)


def _texts(head: bytes) -> Iterator[bytes]:
    """The texts at the places where ``marked`` writes."""
    if head.startswith(b"\xff\xd8"):
        yield from _comments(head)
    elif head.startswith(_PNG):
        at = head.find(b"tEXtSoftware\0")
        if at >= 4:
            size = int.from_bytes(head[at - 4 : at], "big")
            yield head[at + 13 : at + 4 + size]
    elif head[8:12] == b"WEBP" and (at := head.rfind(_CHUNK)) >= 0:
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        yield head[at + 8 : at + 8 + size]


def _comments(head: bytes) -> Iterator[bytes]:
    """Comment segments before the image data."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF and head[at + 1] != 0xDA:
        size = int.from_bytes(head[at + 2 : at + 4], "big")
        if head[at + 1] == 0xFE:
            yield head[at + 4 : at + 2 + size]
        at += 2 + size
