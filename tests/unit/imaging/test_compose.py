from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.cutouts.request import Background, Framing
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.imaging.compose import before, blurred, compose, cover, mask
from perkie_cli.imaging.framing import Box, canvas_box, subject_box
from perkie_cli.imaging.raster import Raster

RED = (200, 10, 20)


def cutout(
    height: int = 60, width: int = 100, box: tuple[int, int, int, int] = (10, 20, 40, 50), alpha: int = 255
) -> Raster:
    left, top, right, bottom = box
    rgb = np.zeros((height, width, 3), np.uint8)
    matte = np.zeros((height, width), np.uint8)
    rgb[top:bottom, left:right] = RED
    matte[top:bottom, left:right] = alpha
    return Raster(rgb, matte)


def test_the_box_ignores_faint_pixels() -> None:
    raster = cutout()
    assert raster.alpha is not None
    raster.alpha[0, 0] = 12
    assert subject_box(raster.alpha) == Box(10, 20, 40, 50)
    raster.alpha[0, 0] = 13
    assert subject_box(raster.alpha) == Box(0, 0, 40, 50)


def test_trim() -> None:
    framed = compose(cutout(), Framing(trim=True), Background(), None, None)
    assert (framed.width, framed.height) == (30, 30)
    assert framed.alpha is not None
    assert framed.alpha.min() == 255


def test_trim_without_a_subject_keeps_the_picture() -> None:
    framed = compose(cutout(alpha=0), Framing(trim=True), Background(), None, None)
    assert (framed.width, framed.height) == (100, 60)


def test_margin_is_of_the_longer_side_of_the_box_and_may_leave_the_picture() -> None:
    framed = compose(cutout(box=(10, 20, 50, 40)), Framing(trim=True, margin=50), Background(), None, None)
    assert (framed.width, framed.height) == (80, 60)
    assert framed.alpha is not None
    assert framed.alpha[0].max() == 0
    assert framed.alpha[20:40, 20:60].min() == 255


@given(
    aspect=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    margin=st.floats(0, 100),
    trim=st.booleans(),
    size=st.tuples(st.integers(30, 200), st.integers(30, 200)),
)
def test_the_canvas_has_the_aspect_and_the_subject_in_its_middle(
    aspect: tuple[int, int], margin: float, trim: bool, size: tuple[int, int]
) -> None:
    alpha = np.zeros(size, np.uint8)
    alpha[5:20, 8:28] = 200
    box = canvas_box(alpha, Framing(trim, margin, aspect))
    assert abs(box.width * aspect[1] - box.height * aspect[0]) <= max(aspect)
    inner = Box(8, 5, 28, 20) if trim else Box(0, 0, size[1], size[0])
    assert box.left <= inner.left
    assert box.top <= inner.top
    assert abs(box.left + box.right - inner.left - inner.right) <= 1
    assert abs(box.top + box.bottom - inner.top - inner.bottom) <= 1


def test_a_canvas_has_a_limit() -> None:
    with pytest.raises(InvalidParameter, match="canvas"):
        canvas_box(np.zeros((4096, 4096), np.uint8), Framing(aspect=(10, 1)))


def test_colour_background_is_exact_over() -> None:
    half = compose(cutout(alpha=128), Framing(), Background.parse("#0000ff"), None, None)
    assert half.alpha is None
    assert tuple(half.rgb[0, 0]) == (0, 0, 255)
    assert tuple(half.rgb[30, 20]) == tuple(
        round((c * 128 + b * 127) / 255) for c, b in zip(RED, (0, 0, 255), strict=True)
    )


def test_before_rounds_like_real_arithmetic() -> None:
    rng = np.random.default_rng(0)
    front = Raster(rng.integers(0, 256, (300, 50, 3), np.uint8), rng.integers(0, 256, (300, 50), np.uint8))
    behind = rng.integers(0, 256, (300, 50, 3), np.uint8)
    a = front.alpha[..., None] / 255  # type: ignore[index]  # it was just made
    assert np.abs(before(front, behind).rgb - (front.rgb * a + behind * (1 - a))).max() <= 0.51


def test_mask_is_alpha() -> None:
    grey = mask(cutout(alpha=77), Framing(trim=True))
    assert grey.alpha is None
    assert np.unique(grey.rgb).tolist() == [77]


def test_blur_does_not_bleed_the_subject() -> None:
    original = np.full((200, 200, 3), 250, np.uint8)
    original[60:140, 60:140] = 0
    alpha = np.zeros((200, 200), np.uint8)
    alpha[60:140, 60:140] = 255
    seen = alpha.copy()
    seen[70:130, 70:130] = 1  # deep inside the subject nobody sees the background
    assert blurred(original, alpha)[seen != 1].min() > 240


def test_blur_reaches_over_the_edge_of_the_picture() -> None:
    original = np.full((60, 100, 3), 90, np.uint8)
    framed = compose(cutout(), Framing(margin=20), Background.parse("blur"), original, None)
    assert (framed.width, framed.height) == (140, 100)
    assert abs(int(framed.rgb[0, 0, 0]) - 90) <= 1


@pytest.mark.parametrize("size", [(10, 400), (400, 10), (37, 91)])
def test_a_picture_covers_the_canvas(size: tuple[int, int]) -> None:
    picture = Raster(np.full((*size, 3), 60, np.uint8))
    assert cover(picture, 123, 77).shape == (77, 123, 3)
    assert cover(picture, 123, 77).min() == 60


def test_of_a_picture_that_is_too_wide_the_middle_is_seen() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 90, 3), np.uint8)
    assert np.array_equal(cover(Raster(picture), 30, 30), picture[:, 30:60])


def test_a_pictures_own_transparency_is_white() -> None:
    picture = Raster(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8))
    assert cover(picture, 30, 30).min() == 255
