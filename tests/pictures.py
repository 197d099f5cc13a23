"""Pictures and colour profiles made in memory, for tests of everything that reads pictures."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec

SIDE = 300
ANY_SIZE = ImageLimits(min_side=1)


def photo(width: int = SIDE, height: int = SIDE, seed: int = 7) -> Image.Image:
    """A smooth RGB picture whose four corners differ, with a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 2, (height, width))
    channels = [x / width * 255, y / height * 255, 128 + 100 * np.sin((x + y) / 40)]
    return Image.fromarray(np.stack([c + noise for c in channels], -1).clip(0, 255).astype(np.uint8))


def taken(data: bytes, name: str = "image", limits: ImageLimits = ANY_SIZE) -> Photo:
    """``data`` as it goes from the door to the services."""
    return codec.photo(data, limits, name)


def with_hole(image: Image.Image) -> Image.Image:
    """RGBA, with a transparent rectangle in the upper left quarter."""
    alpha = np.full((image.height, image.width), 255, np.uint8)
    alpha[: image.height // 4, : image.width // 4] = 0
    rgba = image.convert("RGBA")
    rgba.putalpha(Image.fromarray(alpha))
    return rgba


def file_of(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """``image`` as a file: JPEG, PNG, WEBP or HEIF."""
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(out, quality=90, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def exif_of(orientation: int) -> bytes:
    """EXIF with that orientation and a place on earth, as a phone writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "CanarySecretCamera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif.tobytes()


def png_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of raw samples (filter 0), with extra chunks before the image data."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    data = png_chunk(b"IDAT", zlib.compress(filtered))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + data + png_chunk(b"IEND", b"")


# ------------------------------------------------------------------ ICC profiles, built by hand (ICC.1:2001-04)

_D50 = (0.9642, 1.0, 0.8249)


def _s15(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _s15(values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"made for a test\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(79), b"wtpt": _xyz(_D50)} | tags
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", at, len(content))
        body += padded
        at += len(padded)
    head = struct.pack(">I4sI4s4s4s", at, b"lcms", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + _s15(_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def grey_profile(gamma: float = 1.0) -> bytes:
    """A monochrome profile with that gamma."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(gamma)})


def display_p3_profile(gamma: float = 2.2) -> bytes:
    """Display P3 primaries, adapted to D50."""
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2920, 0.6922, 0.0419),
        b"bXYZ": (0.1571, 0.0666, 0.7841),
    }
    curves = {name: _gamma(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", {name: _xyz(v) for name, v in primaries.items()} | curves)


def press_profile() -> bytes:
    """A CMYK press on which every ink, whatever its name, only darkens: lightness = 100 × Π(1 − ink)."""
    ramp = bytes(range(256))
    grid = b"".join(
        bytes([round(255 * (1 - c) * (1 - m) * (1 - y) * (1 - k)), 128, 128])
        for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)
    )  # fmt: skip
    identity = _s15((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + grid + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})
