"""Combines waiting pictures into one run of the network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import OutOfMemory
from perkie_cli.engines.inspyrenet.backend import Backend
from perkie_cli.ports import Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Waiting:
    pixels: Floats
    answer: asyncio.Future[Floats]


class Batcher:
    """One run at a time: two would need twice the memory without a gain, since each uses the whole device."""

    def __init__(self, backend: Backend, workers: Workers) -> None:
        self.backend = backend
        self._workers = workers
        self._limit = backend.batch
        self._waiting: list[_Waiting] = []
        self._runner: asyncio.Task[None] | None = None

    async def saliency(self, pixels: Floats) -> Floats:
        """float32 (h, w) for one float32 (3, h, w). Raises: OutOfMemory when it does not fit alone."""
        waiting = _Waiting(pixels, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run_all())
        return await waiting.answer

    async def _run_all(self) -> None:
        while batch := self._next():
            try:
                maps = await self._workers.run(self._stack_and_run, [each.pixels for each in batch])
            except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to those who wait
                for each in batch:
                    _answer(each.answer, error)
            else:
                for each, saliency in zip(batch, maps, strict=True):
                    _answer(each.answer, saliency)

    def _next(self) -> list[_Waiting]:
        """The next batch: the longest waiting pictures of one size, without cancelled ones."""
        self._waiting = [each for each in self._waiting if not each.answer.done()]
        same = [each for each in self._waiting if each.pixels.shape == self._waiting[0].pixels.shape][: self._limit]
        self._waiting = [each for each in self._waiting if each not in same]
        return same

    def _stack_and_run(self, pixels: Sequence[Floats]) -> Floats:
        import numpy as np

        return self._run(np.stack(pixels))

    def _run(self, batch: Floats) -> Floats:
        import numpy as np

        try:
            return self.backend.saliency(batch)
        except OutOfMemory:
            if len(batch) == 1:
                raise
        half = self._limit = len(batch) // 2  # from now on
        return np.concatenate([self._run(batch[:half]), self._run(batch[half:])])


def _answer(future: asyncio.Future[Floats], result: Floats | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
