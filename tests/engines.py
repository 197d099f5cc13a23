"""Engines that a test drives: both ports, for real, with pixels that cost nothing."""

from __future__ import annotations

import asyncio

import numpy as np

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import Matte, MattingEngine, MattingJob, Rendering, RenderJob, StyleEngine


class Negative(StyleEngine):
    """A style engine that inverts, counts, and can be told to wait, to fail or to draw otherwise."""

    name = "negative"

    def __init__(self, name: str = "negative") -> None:
        self.name = name
        self.calls = 0
        self.cancelled = 0
        self.version = "1"
        self.white = 255
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.errors: dict[str, Exception] = {}  # by style

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        return Recipe(self.name, model or "inverter", self.version, {"size": size, **style.parameters})

    async def render(self, job: RenderJob) -> Rendering:
        self.calls += 1
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if job.style.id in self.errors:
            raise self.errors[job.style.id]
        return Rendering(Raster(self.white - job.raster.rgb, job.raster.alpha), self.name, "inverter")

    async def begins(self) -> None:
        """Waits for the first call, but not for long."""
        await asyncio.wait_for(self.begun.wait(), 60)

    async def aclose(self) -> None:
        pass


class Centre(MattingEngine):
    """A matting engine that takes the middle for the subject, and can be told to wait or fail."""

    name = "centre"

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def recipe(self, mode: str) -> Recipe:
        return Recipe(self.name, mode, "1")

    async def matte(self, job: MattingJob) -> Matte:
        self.calls += 1
        self.begun.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        height, width = job.raster.height, job.raster.width
        alpha = np.zeros((height, width), np.uint8)
        alpha[height // 4 : -height // 4, width // 4 : -width // 4] = 255
        return Matte(alpha, 0.9, self.name, job.mode, "cpu")

    async def aclose(self) -> None:
        pass
