"""A matting engine with a guard around it."""

from __future__ import annotations

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.ports import Matte, MattingEngine, MattingJob
from perkie_cli.resilience.guard import Guard


class GuardedMattingEngine:
    """``ports.MattingEngine``: each ``matte`` calls the inner engine as often as the guard allows."""

    def __init__(self, engine: MattingEngine, guard: Guard) -> None:
        self._engine = engine
        self.guard = guard

    @property
    def name(self) -> str:
        """The inner engine's name."""
        return self._engine.name

    def recipe(self, mode: str) -> Recipe:
        """The inner engine's recipe."""
        return self._engine.recipe(mode)

    async def matte(self, job: MattingJob) -> Matte:
        """Finds the subject, with retries."""
        return await self.guard.run(lambda _: self._engine.matte(job), job.deadline)

    async def aclose(self) -> None:
        """Closes the inner engine."""
        await self._engine.aclose()
