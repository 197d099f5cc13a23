"""A JPEG is whole, or noted, or refused: never damaged in silence."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from perkie_cli.domain.errors import CorruptImage, NotAnImage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.decoders.jpeg import DAMAGED
from tests.pictures import exif_of, file_of, photo

LIMITS = ImageLimits()
WIDTH, HEIGHT = 640, 480
EOI = b"\xff\xd9"


def made(**options: Any) -> bytes:
    return file_of(photo(WIDTH, HEIGHT), quality=90, **options)


KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "grey": {},
    "full chroma": {"subsampling": "4:4:4"},
}


def jpeg(kind: str) -> bytes:
    image = photo(WIDTH, HEIGHT)
    return file_of(image.convert("L") if kind == "grey" else image, quality=90, **KINDS[kind])


def first_scan(data: bytes) -> int:
    return data.index(b"\xff\xda") + 14


def same(data: bytes, whole: bytes) -> bool:
    return bool((codec.decode(data, LIMITS).raster.rgb == codec.decode(whole, LIMITS).raster.rgb).all())


# ------------------------------------------------------------------ whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[:-2], id="no end marker"),
        pytest.param(lambda data: data[:-1], id="half an end marker"),
        pytest.param(
            lambda data: data + b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(300_000), id="a film behind"
        ),
        pytest.param(lambda data: data + bytes(5000), id="zeros behind"),
        pytest.param(lambda data: data + data, id="another picture behind"),
        pytest.param(lambda data: data[:-2] + bytes(20) + EOI, id="padding before the end"),
        pytest.param(lambda data: data[:2] + b"\xff\xff\xff" + data[3:], id="fill bytes"),
        pytest.param(lambda data: data[:2] + b"\xff\xfe\0\x07junk!" + b"\0\0\0" + data[2:], id="junk between segments"),
    ],
)
def test_a_picture_that_has_all_its_pixels_is_whole(kind: str, change: Callable[[bytes], bytes]) -> None:
    data = change(jpeg(kind))
    assert codec.decode(data, LIMITS).notes == ()
    assert same(data, jpeg(kind))


@pytest.mark.parametrize("where", ["comment", "profile", "thumbnail", "film"])
def test_scans_of_something_else_do_not_count(where: str) -> None:
    many = b"\xff\xda" * 400
    segment = {
        "comment": b"\xff\xfe" + struct.pack(">H", 2 + len(many)) + many,
        "profile": b"\xff\xe2" + struct.pack(">H", 2 + len(many)) + many,
        "thumbnail": b"\xff\xe1" + struct.pack(">H", 8 + len(many)) + b"Exif\0\0" + many,
        "film": b"",
    }[where]
    whole = made()
    data = whole[:2] + segment + whole[2:] + (many if where == "film" else b"")
    assert same(data, whole)


def test_a_grey_picture_of_two_by_two_blocks_is_whole() -> None:
    """Sampling factors of the only component mean nothing, and yet many encoders write them."""
    data = bytearray(jpeg("grey"))
    frame = data.index(b"\xff\xc0")
    data[frame + 11] = 0x22
    assert codec.decode(bytes(data), LIMITS).notes == ()


# ------------------------------------------------------------------ cut


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("end", [b"", EOI], ids=["cut", "with an end put after"])
def test_a_cut_picture_is_refused(kind: str, share: float, end: bytes) -> None:
    data = jpeg(kind)
    at = first_scan(data) + int((len(data) - first_scan(data)) * share)
    with pytest.raises(CorruptImage, match="ends too early"):
        codec.decode(data[:at] + end, LIMITS)


@pytest.mark.parametrize("end", [b"", EOI], ids=["cut", "with an end put after"])
def test_a_progressive_file_that_ends_between_two_scans_is_refused(end: bytes) -> None:
    data = made(progressive=True)
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    for scan in scans[1:]:
        before = data.rfind(b"\xff\xc4", 0, scan)
        with pytest.raises(CorruptImage, match="ends too early"):
            codec.decode(data[:before] + end, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.9, 0.97])
def test_a_late_cut_with_an_end_put_after_is_never_silent(kind: str, share: float) -> None:
    data = jpeg(kind)
    at = first_scan(data) + int((len(data) - first_scan(data)) * share)
    if kind == "restarts" and share > 0.95:  # one of thirty rows
        assert codec.decode(data[:at] + EOI, LIMITS).notes == (DAMAGED,)
        return
    with pytest.raises(CorruptImage, match="ends too early"):
        codec.decode(data[:at] + EOI, LIMITS)


# ------------------------------------------------------------------ holes


def holed(data: bytes, share: float, hole: bytes, removed: int) -> bytes:
    at = first_scan(data) + int((len(data) - first_scan(data)) * share)
    return data[:at] + hole + data[at + removed :]


HOLES = {
    "zeros": (bytes(2048), 2048),
    "missing": (b"", 700),
    "of another file": (random.Random(3).randbytes(700).replace(b"\xff", b"\xfe"), 700),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_a_hole_is_never_silent(kind: str, hole: str, share: float) -> None:
    data = holed(jpeg(kind), share, *HOLES[hole])
    try:
        assert codec.decode(data, LIMITS).notes == (DAMAGED,)
    except CorruptImage as error:
        assert "damaged" in error.message


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_restart_markers_confine_a_hole(share: float) -> None:
    decoded = codec.decode(holed(jpeg("restarts"), share, b"", 300), LIMITS)
    assert decoded.notes == (DAMAGED,)
    far = np.abs(decoded.raster.rgb.astype(int) - codec.decode(jpeg("restarts"), LIMITS).raster.rgb).max(axis=2) > 8
    assert far.mean() < 0.1


def test_a_picture_of_few_restart_intervals_is_refused() -> None:
    data = made(restart_marker_blocks=WIDTH * HEIGHT // 16 // 16 // 2)
    with pytest.raises(CorruptImage):
        codec.decode(holed(data, 0.3, b"", 300), LIMITS)


def warns(data: bytes) -> bool:
    """Whether libjpeg finds anything wrong with it."""
    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("kind", ["baseline", "grey", "full chroma"])
def test_changed_bytes_are_never_silent_where_libjpeg_warns(kind: str) -> None:
    """Without restart markers all behind them is shifted, and what is left over at the end is as short as padding."""
    whole, rng, warned = jpeg(kind), random.Random(5), 0
    for _ in range(40):
        data, at = bytearray(whole), rng.randrange(first_scan(whole), len(whole) - 200)
        for each in range(at, at + 140, 7):
            data[each] = rng.randrange(255)
        if warns(bytes(data)):
            warned += 1
            try:
                assert codec.decode(bytes(data), LIMITS).notes == (DAMAGED,)
            except CorruptImage as error:
                assert "damaged" in error.message
    assert warned > 10


def test_much_that_is_left_over_is_noted() -> None:
    data = made()
    assert codec.decode(data[:-2] + bytes(500) + EOI, LIMITS).notes == (DAMAGED,)


def of_size(data: bytes, width: int, height: int) -> bytes:
    """With another size in its frame header."""
    frame = next(at for at in map(data.find, (b"\xff\xc0", b"\xff\xc2")) if at > 0)
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


@pytest.mark.parametrize("made_with", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("factors", [(1, 0.7), (0.7, 1), (0.5, 0.5), (1, 1.5), (1.5, 1), (3, 3), (11, 12)])
def test_a_header_that_lies_about_the_size_is_refused(made_with: dict[str, Any], factors: tuple[float, float]) -> None:
    whole = file_of(photo(640, 560), **made_with)
    assert codec.decode(whole, LIMITS).notes == ()
    with pytest.raises(CorruptImage):
        codec.decode(of_size(whole, round(640 * factors[0]), round(560 * factors[1])), LIMITS)


# ------------------------------------------------------------------ kinds


def test_cmyk_is_inverted_only_where_adobe_says_so() -> None:
    image = Image.new("CMYK", (300, 300), (0, 255, 255, 0))
    data = file_of(image)
    adobe = data.index(b"\xff\xee")
    plain = data[:adobe] + data[adobe + 2 + int.from_bytes(data[adobe + 2 : adobe + 4], "big") :]
    assert codec.decode(data, LIMITS).raster.rgb[5, 5].tolist() == pytest.approx([255, 0, 0], abs=4)
    assert codec.decode(plain, LIMITS).raster.rgb[5, 5].tolist() == pytest.approx([0, 0, 0], abs=4)


@pytest.mark.parametrize(("precision", "marker", "name"), [(12, 0xC1, "12 bits a channel"), (8, 0xC5, "hierarchical")])
def test_kinds_that_are_not_read_are_named(precision: int, marker: int, name: str) -> None:
    data = bytearray(made())
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, precision
    with pytest.raises(NotAnImage, match=name):
        codec.inspect(bytes(data), LIMITS)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("side", [1024, 640, 300])
def test_huge_pictures_are_reduced_while_decoding(side: int, orientation: int) -> None:
    data = file_of(photo(2100, 1500), quality=95, exif=exif_of(orientation))
    raster = codec.decode(data, ImageLimits(min_side=1, max_side=side)).raster
    expected = Image.open(io.BytesIO(data)).rotate(-90 if orientation == 6 else 0, expand=True)
    expected = expected.resize((raster.width, raster.height), Image.Resampling.LANCZOS)
    assert np.abs(raster.rgb.astype(int) - np.asarray(expected)).mean() < 3
