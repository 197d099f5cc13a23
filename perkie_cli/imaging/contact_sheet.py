"""Pictures side by side with captions, for looking at styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.encode import check_fits, from_pillow, over_white

PAPER = (250, 248, 244)
INK = (70, 66, 60)
GAP = 24  # px between pictures
CAPTION = 34  # px of the line above a column

Row = tuple[str, bytes, Sequence[bytes]]  # name of the input, its bytes, the drawn pictures


def contact_sheet(
    rows: Sequence[Row], titles: Sequence[str], size: int, limits: ImageLimits, kind: ImageFormat
) -> EncodedPicture:
    """One row an input: the input itself, then its picture in each style; ``size`` is a cell's side in px.

    Raises: BadInput.
    """
    heads = ["Photo", *titles]
    ours = replace(limits, min_side=1)  # a drawing of a long picture may be narrower than an input may
    cells = [
        [_thumbnail(source, size, limits, name), *(_thumbnail(data, size, ours, name) for data in drawn)]
        for name, source, drawn in rows
    ]
    heights = [max(cell.height for cell in row) for row in cells]
    width = GAP + len(heads) * (size + GAP)
    whole = CAPTION + GAP + sum(height + GAP for height in heights)
    check_fits(width, whole, kind)
    sheet = Image.new("RGB", (width, whole), PAPER)
    _caption(sheet, heads, size)
    top = CAPTION + GAP
    for row, height in zip(cells, heights, strict=True):
        for column, cell in enumerate(row):
            left = GAP + column * (size + GAP) + (size - cell.width) // 2
            sheet.paste(cell, (left, top + (height - cell.height) // 2))
        top += height + GAP
    return codec.encode(from_pillow(sheet), kind)


def _thumbnail(data: bytes, size: int, limits: ImageLimits, name: str) -> Image.Image:
    raster = codec.decode(data, limits, name).raster
    return over_white(codec.resize(raster, size))


def _caption(sheet: Image.Image, heads: Sequence[str], size: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=max(13, min(20, size // 18)))
    for column, head in enumerate(heads):
        centre = GAP + column * (size + GAP) + size // 2
        draw.text((centre, CAPTION), head, fill=INK, font=font, anchor="ms")
