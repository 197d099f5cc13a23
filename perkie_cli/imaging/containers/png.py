"""Walks the chunks of a PNG (ISO/IEC 15948), so that only what decides its pixels ever reaches a decoder."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from perkie_cli.imaging.damage import Damage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 100_000  # an encoder's smallest usual chunk is 8 kB
_ESSENTIAL = frozenset({b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND"})


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields (type, start, end of the content) up to and including IEND.

    Raises: Damage when it ends too early or is cut into absurdly many chunks.
    """
    at = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            raise Damage("it ends too early")
        name = data[at + 4 : at + 8]
        yield name, at + 8, end
        if name == b"IEND":
            return
        at = end + 4
    raise Damage("it has too many chunks")


def essentials(data: bytes) -> bytes:
    """The same picture without text, time, animation and private chunks, and without what follows its end.

    Raises: Damage when a checksum does not match: decoders do not look at the image data's own.
    """
    kept = [SIGNATURE]
    view = memoryview(data)
    for name, start, end in chunks(data):
        if name not in _ESSENTIAL:
            continue
        if zlib.crc32(view[start - 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise Damage(f"the checksum of its {name.decode('latin-1')} chunk is wrong")
        kept.append(bytes(view[start - 8 : end + 4]))
    return b"".join(kept)
