"""Draws the emulator's pictures: the sent photo with the local engine, its negative, or always the same small picture.

Without a photo it draws a scene made from the prompt: the same for the same text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.style import Style, StyleCatalogue
from perkie_cli.imaging import codec
from perkie_cli.ports import RenderJob, StyleEngine, Workers

if TYPE_CHECKING:
    from perkie_cli.imaging.raster import Raster

MEDIA_TYPE = ImageFormat.JPEG.media_type
SCENE_SIDE, DISCS = 512, 7
_LIMITS = ImageLimits(min_side=1)


class Painter(Protocol):
    """Makes the picture of one answer."""

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        """A JPEG of that aspect ratio (None: the photo's, else square) and long side in px.

        Raises: BadInput when the photo cannot be read.
        """


class LocalPainter:
    """Draws the photo in the style whose prompt was sent, otherwise in the first style."""

    def __init__(self, engine: StyleEngine, styles: StyleCatalogue, workers: Workers) -> None:
        self._engine = engine
        self._workers = workers
        self._first = styles.all()[0]
        self._by_prompt: Mapping[str, Style] = {
            text.strip(): style for style in styles.all() for text in (style.prompt, style.safe_prompt)
        }

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        """Draws one picture."""
        raster = await self._workers.run(_seen, photo, prompt)
        style = self._by_prompt.get(prompt.strip(), self._first)
        rendering = await self._engine.render(RenderJob(raster, style, side))
        return await self._workers.run(_encode, rendering.raster, ratio, side)


class NegativePainter:
    """The photo's negative: another picture of the same pet, for a hundredth of a drawing's time."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        """Draws one picture."""
        return await self._workers.run(_negative, photo, prompt, ratio, side)


class TinyPainter:
    """A gradient of the requested shape, drawn once, for load tests: answering costs next to nothing."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[float, int], bytes] = {}

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:  # noqa: ARG002
        """Draws one picture."""
        shape = (ratio or 1.0, side)
        if shape not in self._drawn:
            self._drawn[shape] = await asyncio.to_thread(small_picture, side, shape[0])
        return self._drawn[shape]


def make_painter(picture: str, engine: Callable[[], StyleEngine], styles: StyleCatalogue, workers: Workers) -> Painter:
    """``style``, ``negative`` or ``tiny``. Raises: InvalidParameter."""
    if picture == "tiny":
        return TinyPainter()
    if picture == "negative":
        return NegativePainter(workers)
    if picture != "style":
        raise InvalidParameter(f"{picture!r} is not a picture mode", hint="Modes: style, negative, tiny.")
    return LocalPainter(engine(), styles, workers)


def small_picture(side: int, ratio: float = 1.0) -> bytes:
    """A JPEG with a gradient, ``side`` px on its long side and ``ratio`` times as wide as high."""
    import numpy as np

    from perkie_cli.imaging.raster import Raster

    width, height = (side, round(side / ratio)) if ratio >= 1 else (round(side * ratio), side)
    down, across = (np.linspace(40, 220, length, dtype=np.uint8) for length in (height, width))
    rgb = np.stack(np.broadcast_arrays(down[:, None], across[None, :], np.uint8(128)), axis=-1)
    return codec.encode(Raster(np.ascontiguousarray(rgb)), ImageFormat.JPEG).data


def _seen(photo: bytes | None, prompt: str) -> Raster:
    """The photo, or a scene made from the words."""
    return _scene(prompt) if photo is None else codec.decode(photo, _LIMITS, "the sent photo").raster


def _negative(photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
    from perkie_cli.imaging.raster import Raster

    return _encode(Raster(255 - _seen(photo, prompt).rgb), ratio, side)


def _scene(prompt: str) -> Raster:
    """Soft discs of colour on a ground: places, sizes and colours from the words."""
    import numpy as np

    from perkie_cli.imaging.raster import Raster

    rng = np.random.default_rng(list(hashlib.sha256(prompt.strip().encode()).digest()))
    rows, columns = np.mgrid[0:SCENE_SIDE, 0:SCENE_SIDE] / SCENE_SIDE
    picture = np.broadcast_to(rng.uniform(120, 240, 3), (SCENE_SIDE, SCENE_SIDE, 3)).copy()
    for row, column, radius in rng.uniform((0.1, 0.1, 0.08), (0.9, 0.9, 0.3), (DISCS, 3)):
        edge = np.clip((radius - np.hypot(rows - row, columns - column)) * 40, 0, 1)[..., None]
        picture += edge * (rng.uniform(20, 235, 3) - picture)
    return Raster(picture.astype(np.uint8))


def _encode(raster: Raster, ratio: float | None, side: int) -> bytes:
    """Cropped to the requested ratio around the centre, as the real models keep to it."""
    from perkie_cli.imaging.raster import Raster

    width, height = raster.width, raster.height
    ratio = ratio or width / height
    if width > height * ratio:
        width = max(1, round(height * ratio))
    else:
        height = max(1, round(width / ratio))
    left, top = (raster.width - width) // 2, (raster.height - height) // 2
    cut = Raster(raster.rgb[top : top + height, left : left + width])
    return codec.encode(codec.resize(cut, side), ImageFormat.JPEG).data
