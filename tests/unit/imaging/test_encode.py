"""Writing pictures: whatever a raster holds, every format takes it, or says why not."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from perkie_cli.domain.errors import InvalidParameter, OutOfMemory, Unavailable
from perkie_cli.domain.picture import MASTER_QUALITY, QUALITY, ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from tests.pets import pet
from tests.pictures import file_of, photo

OURS = ImageLimits(min_side=1)


def noise(width: int, height: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def dithered(width: int, height: int) -> np.ndarray:
    return np.asarray(photo(width, height).convert("P").convert("RGB"))


def grainy(width: int, height: int) -> np.ndarray:
    grain = np.random.default_rng(1).normal(0, 20, (height, width, 3))
    return (np.asarray(photo(width, height)) + grain).clip(0, 255).astype(np.uint8)


def chequered(width: int, height: int) -> np.ndarray:
    return np.repeat(((np.indices((height, width)).sum(0) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)


KINDS = {"noise": noise, "dithered": dithered, "grainy": grainy, "chequered": chequered}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", list(ImageFormat))
def test_no_picture_is_too_busy_for_its_format(kind: str, target: ImageFormat) -> None:
    raster = Raster(KINDS[kind](451, 300))
    made = codec.encode(raster, target, MASTER_QUALITY)
    back = codec.decode(made.data, OURS)
    assert (back.raster.width, back.raster.height, back.notes) == (451, 300, ())
    # what loses least of such a picture: at quality 92 a few levels on average, in WebP with halved chroma more
    most = {ImageFormat.PNG: 0, ImageFormat.JPEG: 8, ImageFormat.WEBP: 60}[target]
    assert np.abs(back.raster.rgb.astype(int) - raster.rgb).mean() <= most


@pytest.mark.parametrize("kind", ["noise", "grainy"])
def test_a_busy_master_is_over_a_byte_a_pixel(kind: str) -> None:
    master = codec.encode_master(Raster(KINDS[kind](451, 300)))
    assert master.format is ImageFormat.JPEG
    assert len(master.data) > 451 * 300, "else this test would not meet the buffer that was too small"


SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 2, 7, 8, 9, 15, 16, 17, 255, 257, 500, 1023]))


@settings(max_examples=150)
@given(
    SIDES, SIDES, st.sampled_from(list(KINDS)), st.sampled_from(list(ImageFormat)), st.integers(1, 100), st.booleans()
)
@example(1, 1, "noise", ImageFormat.JPEG, 100, False)
@example(1023, 1, "noise", ImageFormat.JPEG, 100, False)
@example(1023, 1023, "noise", ImageFormat.JPEG, 100, False)
@example(1023, 1023, "noise", ImageFormat.WEBP, 100, True)
def test_every_raster_can_be_written_at_every_quality(
    width: int, height: int, kind: str, target: ImageFormat, quality: int, clear: bool
) -> None:
    alpha = noise(width, height, 2)[..., 0] if clear else None
    made = codec.encode(Raster(KINDS[kind](width, height), alpha), target, quality)
    seen = codec.inspect(made.data, OURS)
    assert (seen.width, seen.height) == (made.width, made.height) == (width, height)
    assert Image.open(io.BytesIO(made.data)).size == (width, height)  # another hand's reader agrees


@pytest.mark.slow
@pytest.mark.parametrize("target", list(ImageFormat))
@pytest.mark.parametrize("size", [(4096, 4096), (16_383, 300), (300, 16_383), (8192, 4096)])
def test_large_noise_can_be_written(size: tuple[int, int], target: ImageFormat) -> None:
    made = codec.encode(Raster(noise(*size)), target, 100)
    assert (made.width, made.height) == size
    assert Image.open(io.BytesIO(made.data)).size == size


@pytest.mark.parametrize("quality", [1, 50, QUALITY, MASTER_QUALITY, 100])
def test_jpegs_are_those_of_libjpeg_through_pillow(quality: int) -> None:
    for rgb in (np.asarray(photo()), pet(300, 400)):
        ours = codec.encode(Raster(rgb), ImageFormat.JPEG, quality).data
        subsampling = "4:4:4" if quality > QUALITY else "4:2:0"
        theirs = file_of(Image.fromarray(rgb), quality=quality, progressive=True, subsampling=subsampling)
        back = [np.asarray(Image.open(io.BytesIO(data)), int) for data in (ours, theirs)]
        assert np.abs(back[0] - back[1]).max() <= 1
        assert abs(len(ours) - len(theirs)) < 0.02 * len(theirs)


def test_threads_write_the_same_as_one() -> None:
    rasters = [Raster(KINDS[kind](300, 280)) for kind in KINDS for _ in range(6)]
    alone = [codec.encode_master(raster).data for raster in rasters]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda raster: codec.encode_master(raster).data, rasters)) == alone


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    codec.encode_master(Raster(noise(400, 300)))
    assert capfd.readouterr().err == ""


def test_a_master_too_long_for_jpeg_is_a_png() -> None:
    assert codec.encode_master(Raster(np.zeros((1, 65_501, 3), np.uint8))).format is ImageFormat.PNG


def test_the_longest_png_is_known() -> None:
    assert codec.encode(Raster(np.zeros((1, 1_000_000, 3), np.uint8)), ImageFormat.PNG).width == 1_000_000
    with pytest.raises(InvalidParameter, match="its maximum is 1000000 px"):
        codec.encode(Raster(np.zeros((1, 1_000_001, 3), np.uint8)), ImageFormat.PNG)


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (OSError("broken data stream when writing image file"), Unavailable),
        (cv2.error("assertion failed"), Unavailable),
        (MemoryError(), OutOfMemory),
    ],
)
def test_an_encoder_that_fails_is_answered(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, answer: type[Exception]
) -> None:
    def fails(*_: object) -> tuple[bool, None]:
        raise failure

    monkeypatch.setattr(cv2, "imencode", fails)
    with pytest.raises(answer, match="jpg"):
        codec.encode_master(Raster(noise(20, 20)))


def test_an_encoder_that_gives_up_in_silence_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(Unavailable, match="could not be written as png"):
        codec.encode(Raster(noise(20, 20)), ImageFormat.PNG)
