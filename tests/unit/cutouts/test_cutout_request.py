from __future__ import annotations

import pytest

from perkie_cli.domain.cutouts.request import (
    Background,
    BackgroundKind,
    CutoutOutput,
    CutoutRequest,
    Framing,
    parse_aspect,
)
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.picture import ImageFormat
from tests.pictures import file_of, photo, taken

PHOTO = taken(file_of(photo()))


@pytest.mark.parametrize(
    ("text", "colour"), [("#ff8000", (255, 128, 0)), ("FF8000", (255, 128, 0)), ("#f80", (255, 136, 0))]
)
def test_colours(text: str, colour: tuple[int, int, int]) -> None:
    background = Background.parse(text)
    assert (background.kind, background.colour) == (BackgroundKind.COLOUR, colour)


@pytest.mark.parametrize("text", ["transparent", "BLUR "])
def test_kinds(text: str) -> None:
    assert Background.parse(text).kind == text.strip().lower()


@pytest.mark.parametrize("text", ["", "#ff80", "#gggggg", "beach", "picture", "colour"])
def test_unknown_backgrounds_are_named(text: str) -> None:
    with pytest.raises(InvalidParameter, match="background"):
        Background.parse(text)


@pytest.mark.parametrize(("text", "aspect"), [("4:5", (4, 5)), ("16x9", (16, 9)), (" 1 / 1 ", (1, 1))])
def test_aspects(text: str, aspect: tuple[int, int]) -> None:
    assert parse_aspect(text) == aspect


@pytest.mark.parametrize("text", ["", "4", "0:1", "1:0", "11:1", "1:11", "-4:5", "4:5:6", "a:b"])
def test_bad_aspects(text: str) -> None:
    with pytest.raises(InvalidParameter, match="aspect"):
        parse_aspect(text)


@pytest.mark.parametrize("margin", [-1, 101, float("nan")])
def test_bad_margins(margin: float) -> None:
    with pytest.raises(InvalidParameter, match="margin"):
        Framing(margin=margin)


def test_jpeg_needs_a_background() -> None:
    with pytest.raises(UsageError, match="transparency"):
        CutoutRequest(PHOTO, format=ImageFormat.JPEG)
    CutoutRequest(PHOTO, format=ImageFormat.JPEG, output=CutoutOutput.MASK)
    CutoutRequest(PHOTO, format=ImageFormat.JPEG, background=Background.parse("#fff"))


def test_a_mask_has_no_background() -> None:
    with pytest.raises(UsageError, match="mask"):
        CutoutRequest(PHOTO, output=CutoutOutput.MASK, background=Background.parse("blur"))
