"""Whether an answer is a picture, and of the pet that was sent: the known pet that it is nearest to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import MattingSettings, Settings
from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.emulators.gemini.painter import NegativePainter
from perkie_cli.imaging import codec
from perkie_cli.loadtest.chaos.stage.ledger import PETS, Answer
from perkie_cli.loadtest.chaos.stage.shop import SEED, SIDE
from perkie_cli.loadtest.photos import Photos

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 100  # px a side; less counts as corrupt
_GRID = 32  # cells a side: averaging removes brush strokes and JPEG artefacts
_DRAWN_AT = 512  # px
_LIMITS = ImageLimits(min_side=SMALLEST)


def why_wrong(answer: Answer) -> str | None:
    """What is wrong with the picture of an answer with 200; None where nothing is."""
    assert answer.picture is not None, "an answer with 200 has a file"
    try:
        shown = _cells(Path(answer.picture).read_bytes())
    except BadInput as error:
        return error.message
    known = _references(answer.engine, answer.order.style, answer.order.cut_out)
    near = min(range(PETS), key=lambda pet: float(np.abs(shown - known[pet]).mean()))
    return None if near == answer.order.pet else f"it shows pet {near}, and pet {answer.order.pet} was sent"


@cache
def _references(engine: str, style: str, cut_out: bool) -> list[NDArray[np.float32]]:
    """How each pet looks, drawn by perkie's own engine, or by the emulator of Gemini."""
    photos = Photos(SIDE, SEED)
    pets = [photos.photo(pet) for pet in range(PETS)]
    made = asyncio.run(_negatives(pets) if engine == "gemini" else _drawn(pets, style, cut_out))
    return list(map(_cells, made))


async def _negatives(pets: Sequence[bytes]) -> list[bytes]:
    services = build_services(Settings())
    painter = NegativePainter(services.workers)
    try:
        return [await painter.paint(pet, "", None, _DRAWN_AT) for pet in pets]
    finally:
        await services.aclose()


async def _drawn(pets: Sequence[bytes], style: str, cut_out: bool) -> list[bytes]:
    services = build_services(Settings(matting=MattingSettings(engine="builtin")))
    usual = GenerateRequest(
        codec.photo(pets[0], services.limits),
        style,
        engine="local",
        size=_DRAWN_AT,
        cache=CacheUse.OFF,
        remove_background=cut_out,
    )
    try:
        made = [await services.generate(replace(usual, photo=codec.photo(pet, services.limits))) for pet in pets]
    finally:
        await services.aclose()
    return [each.master.data for each in made]


def _cells(data: bytes) -> NDArray[np.float32]:
    """Mean colours over a grid, (32, 32, 3). Raises: BadInput where the bytes are no whole picture."""
    rgb: Any = codec.decode(data, _LIMITS, "the answer").raster.rgb
    return np.asarray(cv2.resize(rgb, (_GRID, _GRID), interpolation=cv2.INTER_AREA), np.float32)
