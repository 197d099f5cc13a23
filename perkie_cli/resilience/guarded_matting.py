"""A matting engine inside its guard, itself a matting engine."""

from __future__ import annotations

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.ports import Matte, MattingEngine, MattingJob
from perkie_cli.resilience.guard import Guard


class GuardedMattingEngine:
    """``ports.MattingEngine``: each ``matte`` is as many calls of the inner one as its guard allows."""

    def __init__(self, engine: MattingEngine, guard: Guard) -> None:
        self._engine = engine
        self.guard = guard

    @property
    def name(self) -> str:
        """See the port."""
        return self._engine.name

    def recipe(self, mode: str) -> Recipe:
        """See the port."""
        return self._engine.recipe(mode)

    async def matte(self, job: MattingJob) -> Matte:
        """See the port."""
        return await self.guard.run(lambda _: self._engine.matte(job), job.deadline)

    async def aclose(self) -> None:
        """See the port."""
        await self._engine.aclose()
