"""Walks the chunks of a PNG (ISO/IEC 15948), so that only what decides its pixels ever reaches a decoder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.containers.exif import UPRIGHT, orientation
from perkie_cli.imaging.containers.header import CodePoints, Header
from perkie_cli.imaging.damage import Damage

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 100_000  # an encoder's smallest usual chunk is 8 kB
_LARGEST_PROFILE = 4 * 1024 * 1024  # bytes; a press profile has up to two million
_ESSENTIAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_TELLING = frozenset({b"tRNS", b"iCCP", b"cICP"})  # what the samples mean
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # colour type → bits a sample


@frozen
class Png:
    """The parts of a PNG that decide its pixels.

    ``key`` is the one transparent grey or colour, in samples as they are stored. ``profile`` is empty where there is
    an unreadable one.
    """

    depth: int  # bits a sample
    is_grey: bool
    file: bytes  # the same samples without anything else; transparency only where it is the palette's
    key: tuple[int, ...] | None
    profile: bytes | None
    code_points: CodePoints | None


def header(data: bytes) -> Header:
    """The header chunk, EXIF and what tells of frames and transparency."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    turned, frames, alpha, has_samples, before = UPRIGHT, 1, colour in (4, 6), False, b""
    for name, start, end in chunks(data):
        if name == b"IDAT" and has_samples and before != b"IDAT":
            raise Damage("its samples are not in one piece")  # as libpng refuses it
        before = name
        if name == b"eXIf":
            turned = orientation(data[start:end])
        elif name == b"acTL":
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
        elif name == b"tRNS":
            alpha = True
        elif name == b"IDAT":
            has_samples = True
    if not has_samples or depth not in _DEPTHS.get(colour, ()):
        raise Damage("it holds no picture of a kind that PNG has")
    return Header(width, height, turned, frames, alpha)


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


def parts(data: bytes) -> Png:
    """What decides the pixels of ``data``, whose header was read before.

    Raises: Damage when the checksum of the samples, the palette or the transparency does not match: decoders do not
    look at the image data's own.
    """
    depth, colour = data[24:26]
    essential = _ESSENTIAL | ({b"tRNS"} if colour == 3 else set())
    kept, rest = [SIGNATURE], dict[bytes, bytes]()
    for name, start, end in chunks(data):
        if name not in essential | _TELLING:
            continue
        is_sound = zlib.crc32(memoryview(data)[start - 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        if not is_sound and name in _ESSENTIAL | {b"tRNS"}:
            raise Damage(f"the checksum of its {name.decode('latin-1')} chunk is wrong")
        if name in essential:
            kept.append(data[start - 8 : end + 4])
        else:
            rest[name] = data[start:end] if is_sound else b""
    points = _code_points(rest.get(b"cICP", b""))
    return Png(
        depth=depth,
        is_grey=colour in (0, 4),
        file=b"".join(kept),
        key=_key(rest.get(b"tRNS", b""), depth, {0: 1, 2: 3}.get(colour, 0)),
        profile=_profile(rest[b"iCCP"]) if b"iCCP" in rest and points is None else None,
        code_points=points,
    )


def _code_points(content: bytes) -> CodePoints | None:
    """They go before a profile, unless they say that nothing is known."""
    unknown = 2
    return CodePoints(*content[:2]) if len(content) == 4 and content[0] != unknown else None


def _key(content: bytes, depth: int, channels: int) -> tuple[int, ...] | None:
    """Samples stand in 16 bits each, of which the lowest ``depth`` count."""
    if not channels or len(content) != 2 * channels:
        return None
    return tuple(value & ((1 << depth) - 1) for value in struct.unpack(f">{channels}H", content))


def _profile(content: bytes) -> bytes:
    _, _, packed = content.partition(b"\0")
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], _LARGEST_PROFILE)
    except zlib.error:
        return b""
    return profile if unpacking.eof else b""
