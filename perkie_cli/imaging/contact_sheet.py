"""Pictures side by side with captions, for looking at styles and pets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.encode import check_fits
from perkie_cli.imaging.pillow import from_pillow, over_white

PAPER = (250, 248, 244)
INK = (70, 66, 60)
GAP = 24  # px between pictures
CAPTION = 34  # px of the line above a column, and of the one below a row
PER_PAGE = 20  # rows

Row = tuple[str, bytes, Sequence[bytes | None]]  # name of the input, its bytes, the pictures (None: there is none)


def contact_sheet(
    rows: Sequence[Row], heads: Sequence[str], size: int, limits: ImageLimits, kind: ImageFormat
) -> EncodedPicture:
    """One row an input: the input itself with its name, then its pictures; ``size`` is a cell's side in px.

    ``heads`` name the pictures. Raises: BadInput.
    """
    columns = ["photo", *heads]
    ours = replace(limits, min_side=1)  # a drawing of a long picture may be narrower than an input may
    cells = [
        [_thumbnail(source, size, limits, name), *(_thumbnail(data, size, ours, name) for data in drawn)]
        for name, source, drawn in rows
    ]
    heights = [max(cell.height for cell in row) for row in cells]
    width = GAP + len(columns) * (size + GAP)
    whole = CAPTION + GAP + sum(height + CAPTION + GAP for height in heights)
    check_fits(width, whole, kind)
    sheet = Image.new("RGB", (width, whole), PAPER)
    font = ImageFont.load_default(size=max(13, min(20, size // 18)))
    _caption(sheet, columns, size, font)
    top = CAPTION + GAP
    for (name, _, _), row, height in zip(rows, cells, heights, strict=True):
        for column, cell in enumerate(row):
            left = GAP + column * (size + GAP) + (size - cell.width) // 2
            sheet.paste(cell, (left, top + (height - cell.height) // 2))
        top += height
        _below(sheet, name, top, font)
        top += CAPTION + GAP
    return codec.encode(from_pillow(sheet), kind)


def thumbnail(data: bytes, size: int, limits: ImageLimits, name: str) -> bytes:
    """A JPEG of the picture with that long side in px at most, over white. Raises: BadInput."""
    raster = codec.decode(data, limits, name).raster
    small = codec.resize(raster, min(size, raster.long_side))
    return codec.encode(from_pillow(over_white(small)), ImageFormat.JPEG).data


def _thumbnail(data: bytes | None, size: int, limits: ImageLimits, name: str) -> Image.Image:
    if data is None:
        return Image.new("RGB", (size, 1), PAPER)
    raster = codec.decode(data, limits, name).raster
    return over_white(codec.resize(raster, size))


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _caption(sheet: Image.Image, heads: Sequence[str], size: int, font: _Font) -> None:
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        centre = GAP + column * (size + GAP) + size // 2
        draw.text((centre, CAPTION), _fitting(draw, head, size + GAP, font), fill=INK, font=font, anchor="ms")


def _below(sheet: Image.Image, name: str, top: int, font: _Font) -> None:
    """The row's name, from its left edge as far as it needs."""
    draw = ImageDraw.Draw(sheet)
    shown = _fitting(draw, name, sheet.width - 2 * GAP, font)
    draw.text((GAP, top + CAPTION - 8), shown, fill=INK, font=font, anchor="ls")


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int, font: _Font) -> str:
    """The text, with its middle left out until it fits."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    shown = text
    while len(shown) > 8 and draw.textlength(shown, font) > width:
        half = (len(shown) - 2) // 2
        shown = f"{text[:half]}…{text[-half:]}"
    return shown
