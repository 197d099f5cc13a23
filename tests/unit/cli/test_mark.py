"""Outputs say by themselves that perkie made them, and stay the pictures that they were."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from perkie_cli.batch.mark import OutputKind, mark_of, marked
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from tests.pictures import ANY_SIZE, file_of, photo, with_hole

RGB = np.asarray(photo(61, 43))
ALPHA = np.full(RGB.shape[:2], 200, np.uint8)


@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["opaque", "alpha"])
@pytest.mark.parametrize("format_", list(ImageFormat))
@pytest.mark.parametrize("kind", list(OutputKind))
def test_a_marked_picture_is_the_same_picture(
    kind: OutputKind, format_: ImageFormat, alpha: np.ndarray | None, tmp_path: Path
) -> None:
    plain = codec.encode(Raster(RGB, alpha), format_).data
    data = marked(plain, kind)
    file = tmp_path / "made"
    file.write_bytes(data)
    assert mark_of(file) is kind
    with Image.open(io.BytesIO(data)) as after, Image.open(io.BytesIO(plain)) as before:
        after.verify()
        assert before.mode == after.mode
    flags = cv2.IMREAD_UNCHANGED
    read, read_marked = (cv2.imdecode(np.frombuffer(each, np.uint8), flags) for each in (plain, data))
    assert read is not None
    assert read_marked is not None
    assert np.array_equal(read, read_marked)
    ours, theirs = (codec.decode(each, ANY_SIZE).raster for each in (data, plain))
    assert np.array_equal(ours.rgb, theirs.rgb)


@pytest.mark.parametrize(
    "data",
    [
        *(file_of(photo(), kind) for kind in ("JPEG", "PNG", "WEBP", "HEIF")),
        file_of(with_hole(photo()), "PNG"),
        b"",
        b"\xff\xd8\xff\xfe\xff",
        b"\xff\xd8\xff\xfe\0\x08secret",
        b"RIFF\4\0\0\0WEBP",
        b"\x89PNG\r\n\x1a\ntEXtSoftware\0",
        b"made by perkie: picture",
    ],
)
def test_what_perkie_did_not_make_bears_no_mark(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "theirs"
    file.write_bytes(data)
    assert mark_of(file) is None


def test_a_file_that_cannot_be_read_bears_none(tmp_path: Path) -> None:
    assert mark_of(tmp_path / "absent") is None
    assert mark_of(tmp_path) is None
