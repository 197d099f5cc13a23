"""From the bytes of an answer to the finished picture, and what speaks against it. For a worker."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import BadAnswer, BadInput
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.engines.gemini.question import RATIOS
from perkie_cli.imaging import codec
from perkie_cli.imaging.sniff import InputFormat, sniff

if TYPE_CHECKING:
    from perkie_cli.imaging.raster import Raster

LIMITS = ImageLimits(min_side=100, max_side=8192)  # a picture outside of these counts as corrupt
# How much wider or narrower than asked. Models that do not know the ratio draw squares, in which a pet of 3:2 has its
# place; a picture further off is turned on its side, or shows a part.
_ODD, _WRONG = math.log(1.05), math.log(1.55)
_FORMATS = {InputFormat.JPEG: ImageFormat.JPEG, InputFormat.PNG: ImageFormat.PNG, InputFormat.WEBP: ImageFormat.WEBP}


@dataclass(frozen=True, slots=True)
class Wanted:
    """``size``: long side of the result in px; ``side``: that of what was asked for, in the ``ratio`` of that name."""

    photo: Raster
    size: int
    side: int
    ratio: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The picture at the wanted size, the same as it came, and sentences about it."""

    raster: Raster
    paid: EncodedPicture | None
    notes: tuple[str, ...]


def take(pictures: Sequence[bytes], wanted: Wanted) -> Taken:
    """The first of ``pictures`` that decodes whole.

    It is paid for: no failure of ours after that loses it, and a check that fails itself speaks for nothing.

    Raises: BadAnswer, when none decodes, or it shows nothing, or not what was asked for.
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
        first.message if isinstance(first, BadInput) else f"gemini's answer does not decode ({type(first).__name__})"
    )
    raise BadAnswer(words) from first


def _objections(raster: Raster, wanted: Wanted) -> Iterator[str]:
    from perkie_cli.engines.gemini import likeness

    size = f"{raster.width} × {raster.height} px"
    if _deviation(raster, wanted) > _WRONG:
        yield f"a picture of {size} where {wanted.ratio} was asked for"
    if 2 * raster.long_side < min(wanted.size, wanted.side):
        yield f"a picture of only {size} where {wanted.side} px were asked for"
    if likeness.is_invisible(raster):
        yield "a picture that is transparent all over"
    if likeness.is_one_colour(raster):
        yield "a picture of nothing but one colour"
    if likeness.is_copy(raster, wanted.photo):
        yield "the photo back as it was"


def _deviation(raster: Raster, wanted: Wanted) -> float:
    """From the ratio that was asked for, or the photo's own; the logarithm of a factor."""
    drawn = math.log(raster.width / raster.height)
    own = math.log(wanted.photo.width / wanted.photo.height)
    return min(abs(drawn - math.log(RATIOS[wanted.ratio])), abs(drawn - own))


def _notes(raster: Raster, wanted: Wanted) -> Iterator[str]:
    if _deviation(raster, wanted) > _ODD:
        yield f"gemini drew {raster.width} × {raster.height} px, another shape than the photo's"
    if raster.long_side < wanted.size:
        yield f"gemini drew {raster.long_side} px; the picture was enlarged to {wanted.size} px"


def _as_it_came(data: bytes, raster: Raster) -> EncodedPicture | None:
    kind = _FORMATS.get(sniff(data))
    return None if kind is None else EncodedPicture(data, kind, raster.width, raster.height)
