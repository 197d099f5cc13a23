"""Broken, truncated and hostile files: a refusal from the BadInput family or a valid picture, never anything else."""

from __future__ import annotations

import importlib
import random
import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perkie_cli.domain.errors import BadInput, CorruptImage, NotAnImage, TooManyPixels
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.imaging import codec, decode
from perkie_cli.imaging.damage import damage_named
from tests.pictures import SIDE, exif_of, file_of, photo, png_chunk, raw_png, with_hole

LIMITS = ImageLimits(max_pixels=4_000_000)
KINDS = ("JPEG", "PNG", "WEBP", "HEIF")


@cache
def valid(kind: str) -> bytes:
    if kind == "HEIF":
        return file_of(photo(), kind, exif=exif_of(1))
    return file_of(photo() if kind == "JPEG" else with_hole(photo()), kind, exif=exif_of(6))


def refused_or_whole(data: bytes) -> bool:
    """Whether it decoded; anything but a picture within the limits or a one-sentence refusal fails the test."""
    try:
        raster = codec.decode(data, LIMITS, "pet.jpg").raster
    except BadInput as error:
        assert error.message.startswith("pet.jpg")
        assert "\n" not in error.message
        return False
    assert raster.rgb.shape == (raster.height, raster.width, 3)
    assert min(raster.width, raster.height) >= LIMITS.min_side
    return True


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, a stretch removed, repeated or zeroed, or the end cut off."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        at = rng.randrange(len(broken)) if rng.random() < 0.5 else rng.randrange(min(len(broken), 400))
        broken[at] = rng.choice((0, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    start = rng.randrange(len(broken))
    stretch = broken[start : start + rng.randrange(1, 64)]
    change = rng.randrange(5)
    if change == 0:
        del broken[start : start + len(stretch)]
    elif change == 1:
        broken[start:start] = stretch * rng.randrange(1, 20)
    elif change == 2:
        broken[start : start + len(stretch)] = bytes(len(stretch))
    elif change == 3:
        del broken[start:]
    return bytes(broken)


@pytest.mark.parametrize("kind", KINDS)
def test_mutations_never_crash(kind: str) -> None:
    rng = random.Random(kind)
    outcomes = {refused_or_whole(mutated(valid(kind), rng)) for _ in range(150)}
    assert False in outcomes


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_mutations_never_crash(kind: str) -> None:
    rng = random.Random(f"long {kind}")
    for _ in range(2500):
        refused_or_whole(mutated(valid(kind), rng))


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_refused_wherever_they_end(kind: str) -> None:
    data = valid(kind)
    needed = len(data) - (2 if kind == "JPEG" else 0)  # without its last marker a JPEG is still whole
    for end in sorted({*range(0, 64, 7), *range(64, needed, max(1, len(data) // 40)), needed - 1}):
        with pytest.raises(BadInput):
            codec.decode(data[:end], LIMITS)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_in_its_scan_names_the_file(progressive: bool) -> None:
    data = file_of(photo(), progressive=progressive)
    with pytest.raises(CorruptImage, match=r"^pet\.jpg is damaged: "):
        codec.decode(data[: len(data) * 2 // 3], LIMITS, "pet.jpg")


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBP"]))
@example(b"", b"\xff\xd8\xff")
def test_any_bytes_are_refused(tail: bytes, head: bytes) -> None:
    with pytest.raises(BadInput):
        codec.decode(head + tail, LIMITS)


# ------------------------------------------------------------------ bombs


def test_a_png_that_claims_2500_megapixels_costs_nothing() -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    with pytest.raises(TooManyPixels, match="50000 × 50000 px"):
        codec.decode(bomb, LIMITS)


def test_a_webp_canvas_is_measured_before_it_is_allocated() -> None:
    canvas = bytes([0x02, 0, 0, 0]) + (16383).to_bytes(3, "little") * 2
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + canvas
    with pytest.raises(TooManyPixels, match="16384 × 16384 px"):
        codec.decode(b"RIFF" + struct.pack("<I", len(body)) + body, LIMITS)


@cache
def burst() -> bytes:
    return zlib.compress(bytes(200 * 1024 * 1024), 9)


@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"iTXt"])
def test_compressed_chunks_that_burst_are_bounded(name: bytes) -> None:
    bomb = png_chunk(name, b"x\0" + (b"\1\0\0\0" if name == b"iTXt" else b"\0") + burst())
    data = raw_png(SIDE, SIDE, 8, 2, bytes(SIDE * SIDE * 3), bomb)
    tracemalloc.start()
    refused_or_whole(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 1024 * 1024


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", bytes(13)) + png_chunk(b"abCd", b"") * 200_000,
        b"\xff\xd8" + b"\xff\xe0\0\2" * 20_000,
        b"RIFF" + struct.pack("<I", 4 + 8 * 20_000) + b"WEBP" + b"abcd\0\0\0\0" * 20_000,
    ],
    ids=["png", "jpeg", "webp"],
)
def test_absurdly_many_parts_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptImage, match="too many"):
        codec.inspect(data, LIMITS)


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    data = file_of(photo(), progressive=True)
    scan = data.rindex(b"\xff\xda")
    with pytest.raises(CorruptImage, match="too many scans"):
        codec.decode(data[:-2] + data[scan:-2] * 1000 + b"\xff\xd9", LIMITS)


# ------------------------------------------------------------------ what is more than one thing at once


def test_a_payload_behind_the_picture_is_not_stored() -> None:
    payload = b"PK\x03\x04<script>CanarySecret</script>"
    for kind in ("JPEG", "PNG"):
        assert b"CanarySecret" not in codec.strip_metadata(valid(kind) + payload, LIMITS).data


def test_a_script_in_a_comment_is_not_stored() -> None:
    data = file_of(photo(), comment=b"<script>CanarySecret</script>")
    assert b"CanarySecret" in data
    assert b"CanarySecret" not in codec.strip_metadata(data, LIMITS).data


def test_a_picture_inside_another_kind_of_file_is_not_looked_for() -> None:
    with pytest.raises(NotAnImage, match="a PDF document"):
        codec.decode(b"%PDF-1.4\n" + valid("JPEG"), LIMITS)


def test_the_header_that_is_checked_is_the_one_that_is_decoded() -> None:
    data = valid("JPEG")
    frame = data.index(b"\xff\xc0")
    size = struct.unpack(">H", data[frame + 2 : frame + 4])[0]
    small = bytearray(data[frame : frame + 2 + size])
    small[5:9] = struct.pack(">HH", 280, 280)
    with pytest.raises(CorruptImage, match="its header contradicts itself"):
        codec.decode(data[:frame] + bytes(small) + data[frame:], LIMITS)


def test_a_wrong_checksum_is_noticed() -> None:
    data = bytearray(valid("PNG"))
    data[data.index(b"IDAT") + 200] ^= 1
    with pytest.raises(CorruptImage, match="checksum of its IDAT chunk is wrong"):
        codec.decode(bytes(data), LIMITS)


# ------------------------------------------------------------------ manners


def test_too_little_memory_is_not_blamed_on_the_file() -> None:
    with pytest.raises(MemoryError), damage_named("pet.jpg", "it does not decode"):
        raise MemoryError


def test_decoders_warn_nobody() -> None:
    broken_exif = file_of(photo(), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(decode)  # as at start-up: its filter goes before all others
        codec.decode(broken_exif, LIMITS)


def test_threads_do_not_disturb_each_other() -> None:
    files = [valid(kind) for kind in KINDS] * 8
    alone = [codec.decode(data, LIMITS).raster.rgb.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: codec.decode(data, LIMITS).raster.rgb.tobytes(), files))
    assert together == alone


@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.sampled_from(list(ImageFormat)), st.integers(1, 100))
def test_whatever_was_read_can_be_written(kind: str, target: ImageFormat, quality: int) -> None:
    raster = codec.decode(valid(kind), LIMITS).raster
    assert refused_or_whole(codec.encode(raster, target, quality).data)
