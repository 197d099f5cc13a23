"""PNG: every depth, its transparent colour and its profile, against the arithmetic of the standard (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from perkie_cli.domain.errors import CorruptImage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from tests.pictures import SIDE, display_p3_profile, file_of, grey_profile, photo, png_chunk, raw_png

LIMITS = ImageLimits(min_side=1)


def packed(samples: np.ndarray, depth: int) -> bytes:
    """Rows of samples of 1, 2, 4, 8 or 16 bits, each row padded to whole bytes."""
    rows = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        return rows.astype(">u2").tobytes()
    bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def decoded(samples: np.ndarray, depth: int, colour: int, *chunks: bytes) -> Raster:
    height, width = samples.shape[:2]
    return codec.decode(raw_png(width, height, depth, colour, packed(samples, depth), *chunks), LIMITS).raster


def transparent(*key: int) -> bytes:
    return png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))


def profiled(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"made\0\0" + zlib.compress(profile))


# ------------------------------------------------------------------ depth and the transparent colour


@settings(max_examples=60)
@given(st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 30), st.integers(1, 30), st.data())
def test_grey_of_every_depth_keeps_its_transparent_grey(
    depth: int, width: int, height: int, data: st.DataObject
) -> None:
    top = (1 << depth) - 1
    samples = np.random.default_rng(width * height).integers(0, top + 1, (height, width))
    key = data.draw(st.integers(0, top))
    samples[0, 0] = key
    above = data.draw(st.sampled_from([0, 1 << depth])) if depth < 16 else 0  # bits over the depth do not count
    raster = decoded(samples, depth, 0, transparent(key | above))
    assert raster.alpha is not None
    assert ((raster.alpha == 0) == (samples == key)).all()
    assert ((raster.alpha == 255) == (samples != key)).all()
    assert np.abs(raster.rgb[..., 0] - samples * 255 / top).max() <= 0.51


@settings(max_examples=60)
@given(st.sampled_from([8, 16]), st.data())
def test_colour_of_every_depth_keeps_its_transparent_colour(depth: int, data: st.DataObject) -> None:
    """Also beside colours that differ from it in the last bit of one channel, or are alike in their high bytes."""
    top = (1 << depth) - 1
    key = np.array(data.draw(st.tuples(*[st.integers(0, top)] * 3)))
    samples = np.tile(key, (8, 8, 1))
    for n in range(32):
        samples[n // 8, n % 8, n % 3] ^= 1 << data.draw(st.integers(0, depth - 1))
    raster = decoded(samples, depth, 2, transparent(*key.tolist()))
    assert raster.alpha is not None
    assert ((raster.alpha == 0) == (samples == key).all(axis=2)).all()
    assert np.abs(raster.rgb - samples * 255 / top).max() <= 0.51


@pytest.mark.parametrize(
    ("depth", "colour", "key"), [(4, 0, (9,)), (8, 0, (7,)), (8, 2, (9, 8, 7)), (16, 2, (9, 8, 7))]
)
def test_the_transparent_colour_is_that_of_libpng(depth: int, colour: int, key: tuple[int, ...]) -> None:
    samples = np.random.default_rng(1).integers(0, min(1 << depth, 12), (SIDE, SIDE, len(key)))
    data = raw_png(SIDE, SIDE, depth, colour, packed(samples, depth), transparent(*key))
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # libpng's own expansion
    ours = codec.decode(data, LIMITS).raster
    assert theirs is not None
    if theirs.ndim == 3 and theirs.shape[2] == 4:  # OpenCV keeps it for colour, and leaves it out for grey
        assert ours.alpha is not None
        assert ((ours.alpha == 0) == (theirs[..., 3] == 0)).all()
    assert ours.alpha is not None
    assert (ours.alpha == 0).any()


@pytest.mark.parametrize("length", [0, 1, 3, 5, 7])
def test_a_transparent_colour_of_a_wrong_length_is_none(length: int) -> None:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert decoded(image, 8, 2, png_chunk(b"tRNS", bytes(length))).alpha is None


@settings(max_examples=30)
@given(st.sampled_from([1, 2, 4, 8]), st.integers(0, 255))
def test_palettes_of_every_depth_keep_their_alpha(depth: int, alpha: int) -> None:
    colours = 1 << depth
    rng = np.random.default_rng(depth)
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    samples = rng.integers(0, colours, (40, 33))
    samples[0, 0] = 0
    raster = decoded(samples, depth, 3, png_chunk(b"PLTE", palette.tobytes()), png_chunk(b"tRNS", bytes([alpha])))
    assert (raster.rgb == palette[samples]).all()
    expected = np.where(samples == 0, alpha, 255)
    assert (255 if raster.alpha is None else raster.alpha) is not None
    assert (np.full_like(expected, 255) if raster.alpha is None else raster.alpha == expected).all()


@pytest.mark.parametrize(("colour", "bands"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("depth", [8, 16])
def test_samples_are_rounded_from_their_depth(depth: int, colour: int, bands: int) -> None:
    top = (1 << depth) - 1
    samples = np.random.default_rng(depth).integers(0, top + 1, (SIDE, SIDE, bands))
    raster = decoded(samples, depth, colour)
    assert np.abs(raster.rgb[..., 0] - samples[..., 0] * 255 / top).max() <= 0.51
    if bands in (2, 4):
        assert raster.alpha is not None
        assert np.abs(raster.alpha - samples[..., -1] * 255 / top).max() <= 0.51


# ------------------------------------------------------------------ profiles


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize(("depth", "colour"), [(8, 0), (16, 0), (16, 4)])
def test_grey_with_a_profile_has_the_right_lightness(depth: int, colour: int, gamma: float) -> None:
    top = (1 << depth) - 1
    ramp = np.linspace(0, top, 64 * 64).round().astype(int).reshape(64, 64)
    samples = ramp if colour == 0 else np.dstack([ramp, np.full_like(ramp, top // 2)])
    raster = decoded(samples, depth, colour, profiled(grey_profile(gamma)))
    light = (ramp / top) ** gamma
    right = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    far = np.abs(raster.rgb - right[..., None])
    assert far.mean() < 1
    if gamma > 1:  # of linear light littlecms gets the darkest hundredth too dark by 6 levels, in libvips as here
        assert far.max() <= 3


def test_sixteen_bits_of_colour_with_a_profile() -> None:
    eight = np.asarray(photo())
    deep = decoded(eight.astype(int) * 257, 16, 2, profiled(display_p3_profile()))
    shallow = codec.decode(file_of(Image.fromarray(eight), "PNG", icc_profile=display_p3_profile()), LIMITS).raster
    assert np.abs(deep.rgb.astype(int) - shallow.rgb).max() <= 1


@pytest.mark.parametrize("broken", ["checksum", "compression", "endless"])
def test_a_broken_profile_costs_nobody_the_picture(broken: str) -> None:
    chunk = {
        "checksum": profiled(display_p3_profile())[:-1] + b"?",
        "compression": png_chunk(b"iCCP", b"made\0\0rubbish"),
        "endless": profiled(bytes(40_000_000)),
    }[broken]
    image = np.asarray(photo())
    seen = codec.decode(raw_png(SIDE, SIDE, 8, 2, image.tobytes(), chunk), LIMITS)
    assert (seen.raster.rgb == image).all()
    assert "colour profile" in seen.notes[0]


# ------------------------------------------------------------------ damage that checksums do not show


def png_of(packed_rows: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", packed_rows) + png_chunk(b"IEND", b"")


ROWS = b"".join(b"\0" + row.tobytes() for row in np.asarray(photo()))


@pytest.mark.parametrize(
    "rows",
    [
        zlib.compress(ROWS[: len(ROWS) // 2]),
        zlib.compress(ROWS[:-1]),
        zlib.compress(ROWS)[:-40],
        zlib.compress(ROWS)[:2000] + zlib.compress(ROWS)[2001:],
        zlib.compress(b"\x09" + ROWS[1:]),
    ],
    ids=["half the rows", "a sample too few", "cut", "a byte too few", "no such filter"],
)
def test_missing_rows_are_noticed(rows: bytes) -> None:
    with pytest.raises(CorruptImage):
        codec.decode(png_of(rows), LIMITS)


@pytest.mark.parametrize(("depth", "colour"), [(3, 0), (16, 3), (4, 2), (8, 5), (0, 0), (32, 6)])
def test_kinds_that_png_does_not_have_are_refused(depth: int, colour: int) -> None:
    with pytest.raises(CorruptImage, match="of a kind that PNG has"):
        codec.inspect(raw_png(SIDE, SIDE, depth, colour, bytes(SIDE * SIDE)), LIMITS)


def test_samples_in_several_chunks_stand_together() -> None:
    packed_rows = zlib.compress(ROWS)
    first, second = (png_chunk(b"IDAT", part) for part in (packed_rows[:5000], packed_rows[5000:]))
    whole = png_of(packed_rows).replace(png_chunk(b"IDAT", packed_rows), first + second)
    assert (codec.decode(whole, LIMITS).raster.rgb == np.asarray(photo())).all()
    with pytest.raises(CorruptImage, match="not in one piece"):
        codec.inspect(whole.replace(first, first + png_chunk(b"tEXt", b"a\0b")), LIMITS)
