"""Background removal with InSPyReNet behind ``ports.MattingEngine``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.checkpoint import Checkpoint, checkpoint
from perkie_cli.domain.errors import OutOfMemory
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.engines.inspyrenet.backend import Backend
from perkie_cli.engines.inspyrenet.batching import Batcher
from perkie_cli.ports import Matte, MattingJob, Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VERSION = "1"  # increase it when alpha changes


class InspyrenetEngine:
    """Loads each mode's network at its first picture and keeps it."""

    name = "inspyrenet"

    def __init__(self, open_backend: Callable[[Checkpoint], Backend], *, workers: Workers, inference: Workers) -> None:
        """``open_backend`` loads a checkpoint; ``workers`` prepare pictures, ``inference`` (one thread) runs them."""
        self._open = open_backend
        self._workers = workers
        self._inference = inference
        self._batchers: dict[str, Batcher] = {}
        self._loading = asyncio.Lock()

    def recipe(self, mode: str) -> Recipe:
        """The recipe of the mode's checkpoint. It excludes device and backend, which agree within one or two levels.

        Raises: InvalidParameter.
        """
        chosen = checkpoint(mode)
        return Recipe(self.name, chosen.model, _VERSION, {"checkpoint": chosen.md5})

    async def warm_up(self, mode: str) -> str:
        """Loads a mode's network before the first picture; returns its device. Raises: as ``matte``."""
        return (await self._batcher(checkpoint(mode))).backend.device

    async def matte(self, job: MattingJob) -> Matte:
        """Runs the mode's network, at a smaller size if memory runs out.

        Raises: InvalidParameter, MissingExtra, MissingWeights, MissingDevice, OutOfMemory.
        """
        chosen = checkpoint(job.mode)
        batcher = await self._batcher(chosen)
        saliency, side = await self._saliency(batcher, job, batcher.backend.sides)
        alpha, confidence, doubts = await self._workers.run(finish, saliency, job.raster.height, job.raster.width)
        device, whole = batcher.backend.device, batcher.backend.sides[0]
        notes = () if side == whole else (f"{device} ran out of memory: matting ran at {side} instead of {whole} px",)
        return Matte(alpha, confidence, self.name, chosen.model, device, (*notes, *doubts))

    async def aclose(self) -> None:
        """Waits for the run in progress and drops the networks."""
        self._inference.close()
        self._batchers.clear()

    async def _batcher(self, chosen: Checkpoint) -> Batcher:
        async with self._loading:
            if chosen.mode not in self._batchers:
                backend = await self._inference.run(self._open, chosen)
                self._batchers[chosen.mode] = Batcher(backend, self._inference)
            return self._batchers[chosen.mode]

    async def _saliency(
        self, batcher: Batcher, job: MattingJob, sides: Sequence[int]
    ) -> tuple[NDArray[np.float32], int]:
        """The saliency at the first size that fits into memory, and that size. Raises: OutOfMemory when none fits."""
        side, *smaller = sides
        pixels = await self._workers.run(prepare, job.raster.rgb, side)
        try:
            return await batcher.saliency(pixels), side
        except OutOfMemory:
            if not smaller:
                raise
        return await self._saliency(batcher, job, smaller)


def prepare(rgb: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """``tensors.to_input``, imported late."""
    from perkie_cli.engines.inspyrenet import tensors

    return tensors.to_input(rgb, side)


def finish(saliency: NDArray[np.float32], height: int, width: int) -> tuple[NDArray[np.uint8], float, tuple[str, ...]]:
    """Alpha at full size, confidence, doubts. Without a subject the map is not stretched to full contrast."""
    from perkie_cli.engines.inspyrenet import tensors
    from perkie_cli.engines.inspyrenet.confidence import assess

    found = assess(saliency)
    values = tensors.stretched(saliency) if found.has_subject else saliency
    return tensors.to_alpha(values, height, width), found.value, found.notes
