"""HEIC: whole or refused, by the name of what it is, with the container's own orientation and colours."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from perkie_cli.domain.errors import BadInput, CorruptImage, NotAnImage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from tests.pictures import exif_of, file_of, photo, with_hole

LIMITS = ImageLimits()
WIDTH, HEIGHT = 512, 384


@cache
def heic(**options: Any) -> bytes:
    return file_of(photo(WIDTH, HEIGHT), "HEIF", **options)


def grid() -> bytes:
    """Twelve tiles of 128 px, as phones write them."""
    return heic(tile_size=128)


@cache
def with_alpha() -> bytes:
    return file_of(with_hole(photo(400, 300)), "HEIF")


def box(data: bytes, kind: bytes) -> int:
    """Where a box begins."""
    return data.index(kind) - 4


# ------------------------------------------------------------------ whole


@pytest.mark.parametrize("share", [0.05, 0.3, 0.4, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["grid", "single", "alpha"])
def test_a_file_that_broke_off_is_refused(kind: str, share: float) -> None:
    data = {"grid": grid(), "single": heic(), "alpha": with_alpha()}[kind]
    codec.decode(data, LIMITS)
    with pytest.raises(CorruptImage):
        codec.decode(data[: int(len(data) * share)], LIMITS)


def test_the_last_byte_counts() -> None:
    with pytest.raises(CorruptImage, match="ends too early"):
        codec.inspect(grid()[:-1], LIMITS)


@pytest.mark.parametrize("size", ["to the end of the file", "that of the rest", "64 bits"])
def test_a_broken_off_file_is_refused_whatever_size_its_data_box_has(size: str) -> None:
    data = grid()
    at = box(data, b"mdat")
    rest = data[at + 8 : at + (len(data) - at) // 2]
    head = {
        "to the end of the file": struct.pack(">I4s", 0, b"mdat"),
        "that of the rest": struct.pack(">I4s", 8 + len(rest), b"mdat"),
        "64 bits": None,
    }[size]
    if head is None:
        head, rest = struct.pack(">I4sQ", 1, b"mdat", 16 + len(rest)), rest[8:]  # the offsets stay right
    with pytest.raises(CorruptImage, match="ends too early"):
        codec.decode(data[:at] + head + rest, LIMITS)


def test_data_boxes_may_be_several_and_others_may_follow() -> None:
    data = grid() + struct.pack(">I4s", 12, b"free") + b"mine" + struct.pack(">I4s", 16, b"mdat") + b"the film"
    assert codec.decode(data, LIMITS).notes == ()
    with pytest.raises(CorruptImage, match="ends too early"):
        codec.decode(data[:-3], LIMITS)


def test_something_appended_is_no_part_of_the_picture() -> None:
    assert codec.decode(grid() + b"\x7f\x00\x01\x02SEFHappended", LIMITS).notes == ()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_hole_of_zeros_is_noticed(share: float) -> None:
    data = bytearray(grid())
    start = box(grid(), b"mdat") + 8
    at = start + int((len(data) - start) * share)
    data[at : at + 600] = bytes(len(data[at : at + 600]))
    with pytest.raises(CorruptImage, match="damaged"):
        codec.decode(bytes(data), LIMITS)


def test_a_download_that_left_zeros_is_refused() -> None:
    data = grid()
    kept = len(data) * 2 // 5
    with pytest.raises(CorruptImage):
        codec.decode(data[:kept] + bytes(len(data) - kept), LIMITS)


def test_any_cut_is_refused() -> None:
    data = grid()
    for end in range(12, len(data), 997):
        with pytest.raises(BadInput):
            codec.decode(data[:end], LIMITS)


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("brand", [b"mif1", b"mif2", b"heix", b"MiHE", b"1pic"])
def test_a_heic_is_known_by_any_of_its_brands(brand: bytes) -> None:
    data = heic()
    at = data.index(b"ftyp") + 4
    assert codec.decode(data[:at] + brand + data[at + 4 :], LIMITS).raster.width == WIDTH


@pytest.mark.parametrize(
    ("codec_of_items", "name"),
    [
        (b"av01", "an AVIF image"),
        (b"avc1", "an HEIF image in AVC"),
        (b"vvc1", "an HEIF image in VVC"),
        (b"jpeg", "an HEIF image in JPEG"),
        (b"j2k1", "an HEIF image in JPEG 2000"),
        (b"unci", "an uncompressed HEIF image"),
        (b"zzzz", "an HEIF image in an unknown codec"),
    ],
)
@pytest.mark.parametrize("tiled", [False, True])
def test_other_codecs_are_named(codec_of_items: bytes, name: str, tiled: bool) -> None:
    data = (grid() if tiled else heic()).replace(b"hvc1", codec_of_items)
    with pytest.raises(NotAnImage, match=f"^pet.heic is {name}$"):
        codec.inspect(data, LIMITS, "pet.heic")


# ------------------------------------------------------------------ orientation and samples


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_containers_orientation_goes_before_exif(orientation: int) -> None:
    """pillow-heif writes ``irot`` and ``imir`` for EXIF's orientation, and both stand in the file."""
    upright = photo(320, 280)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that a camera held so applies
    held = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    data = file_of(held, "HEIF", exif=exif_of(orientation))
    raster = codec.decode(data, LIMITS).raster
    assert (raster.width, raster.height) == (320, 280)
    assert np.abs(raster.rgb.astype(int) - np.asarray(upright)).mean() < 5


def test_exif_alone_turns_no_heic() -> None:
    """ISO/IEC 23008-12, A.2.2: the orientation in EXIF is informative."""
    plain = file_of(photo(320, 280), "HEIF", exif=exif_of(1))
    entry = plain.index(b"\x01\x12\x00\x03")  # pillow-heif makes it big-endian
    data = plain[: entry + 9] + b"\x06" + plain[entry + 10 :]
    assert codec.decode(data, LIMITS).raster.width == 320


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_ten_bits_come_out_at_the_same_lightness(mode: str) -> None:
    eight = np.asarray(with_hole(photo(320, 280)).convert(mode))
    deep = pillow_heif.from_bytes(f"{mode};16", (320, 280), (eight.astype(np.uint16) * 257).tobytes())
    out = io.BytesIO()
    deep.save(out, quality=-1, chroma=444)
    assert pillow_heif.open_heif(out.getvalue())[0].info["bit_depth"] == 10
    raster = codec.decode(out.getvalue(), LIMITS).raster
    if mode == "L":
        eight = np.repeat(eight[..., None], 3, axis=2)
    assert np.abs(raster.rgb.astype(int) - eight[..., :3])[eight[..., -1] > 0].max() <= 2
    if mode == "RGBA":
        assert raster.alpha is not None
        assert (raster.alpha == eight[..., 3]).all()


def test_premultiplied_alpha_is_undone() -> None:
    rgba = np.dstack([np.asarray(photo(320, 280)) // 2, np.full((280, 320), 128, np.uint8)])
    image = pillow_heif.from_bytes("RGBa", (320, 280), rgba.tobytes())
    out = io.BytesIO()
    image.save(out, quality=-1, chroma=444)
    raster = codec.decode(out.getvalue(), LIMITS).raster
    assert raster.alpha is not None
    assert np.abs(raster.rgb.astype(int) - np.asarray(photo(320, 280))).mean() < 3
