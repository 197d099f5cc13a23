"""Turns the bytes of an answer into the finished picture, and checks it. Run it in a worker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import BadAnswer, BadInput
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.photo import InputFormat
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.engines.gemini.question import RATIOS
from perkie_cli.imaging import codec
from perkie_cli.imaging.sniff import sniff

if TYPE_CHECKING:
    from perkie_cli.imaging.raster import Raster

LIMITS = ImageLimits(min_side=100, max_side=8192)  # a picture outside these limits counts as corrupt
# How much wider or narrower than requested. Models without the requested ratio draw squares, which is fine for a pet
# of 3:2; a larger deviation means that the picture is rotated or shows only a part.
_ODD, _WRONG = math.log(1.05), math.log(1.55)
_FORMATS = {InputFormat.JPEG: ImageFormat.JPEG, InputFormat.PNG: ImageFormat.PNG, InputFormat.WEBP: ImageFormat.WEBP}


@frozen
class RequestedPicture:
    """``size``: long side of the result in px; ``side``: long side requested upstream, in the named ``ratio``."""

    photo: Raster
    size: int
    side: int
    ratio: str


@frozen
class Taken:
    """The picture at the requested size, the original file, and notes about it."""

    raster: Raster
    paid: EncodedPicture | None
    notes: tuple[str, ...]


def take(pictures: Sequence[bytes], wanted: RequestedPicture) -> Taken:
    """The first of ``pictures`` that decodes completely.

    It is paid for, so no later failure of ours may lose it; a check that crashes is ignored.

    Raises: BadAnswer when none decodes, or the picture is empty or not the requested one.
    """
    data, raster = _decoded(pictures)
    objections = _objections(raster, wanted)
    with suppress(ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        if (objection := next(objections, None)) is not None:
            raise BadAnswer(f"gemini sent {objection}")
    finished = raster
    with suppress(ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError):
        finished = codec.resize(raster, wanted.size)
    return Taken(finished, _as_it_came(data, raster), tuple(_notes(raster, wanted)))


def _decoded(pictures: Sequence[bytes]) -> tuple[bytes, Raster]:
    first: Exception | None = None
    for data in pictures:
        try:
            return data, codec.decode(data, LIMITS, "gemini's answer").raster
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a decoder raises: another one may be whole
            first = first or error
    words = (
        first.message if isinstance(first, BadInput) else f"gemini's picture does not decode ({type(first).__name__})"
    )
    raise BadAnswer(words) from first


def _objections(raster: Raster, wanted: RequestedPicture) -> Iterator[str]:
    from perkie_cli.engines.gemini import likeness

    size = f"{raster.width} × {raster.height} px"
    if _deviation(raster, wanted) > _WRONG:
        yield f"a picture of {size} instead of {wanted.ratio}"
    if 2 * raster.long_side < min(wanted.size, wanted.side):
        yield f"a picture of only {size} instead of {wanted.side} px"
    if likeness.is_invisible(raster):
        yield "a completely transparent picture"
    cells = likeness.cells_of(raster)
    if likeness.is_one_colour(cells):
        yield "a picture of only one colour"
    if likeness.is_copy(cells, raster.width / raster.height, wanted.photo):
        yield "the photo back unchanged"


def _deviation(raster: Raster, wanted: RequestedPicture) -> float:
    """The deviation from the requested ratio, or from the photo's own; the logarithm of a factor."""
    drawn = math.log(raster.width / raster.height)
    own = math.log(wanted.photo.width / wanted.photo.height)
    return min(abs(drawn - math.log(RATIOS[wanted.ratio])), abs(drawn - own))


def _notes(raster: Raster, wanted: RequestedPicture) -> Iterator[str]:
    if _deviation(raster, wanted) > _ODD:
        yield f"gemini drew {raster.width} × {raster.height} px, not the photo's aspect ratio"
    if raster.long_side < wanted.size:
        yield f"gemini drew {raster.long_side} px; the picture was enlarged to {wanted.size} px"


def _as_it_came(data: bytes, raster: Raster) -> EncodedPicture | None:
    kind = _FORMATS.get(sniff(data))
    return None if kind is None else EncodedPicture(data, kind, raster.width, raster.height)
