"""A style engine inside its guard, itself a style engine."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from decimal import Decimal

from perkie_cli.domain.picture import DEFAULT_SIZE
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style
from perkie_cli.ports import PricedEngine, Rendering, RenderJob
from perkie_cli.resilience.guard import Attempt, Guard


class GuardedStyleEngine:
    """``ports.PricedEngine``: each ``render`` is as many calls of the inner one as its guard allows."""

    def __init__(self, engine: PricedEngine, guard: Guard) -> None:
        self._engine = engine
        self.guard = guard

    @property
    def name(self) -> str:
        """See the port."""
        return self._engine.name

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        """See the port."""
        return self._engine.recipe(style, size, model)

    def price(self, size: int, model: str | None = None) -> Decimal:
        """See the port."""
        return self._engine.price(size, model)

    async def render(self, job: RenderJob) -> Rendering:
        """The usage is that of all attempts, and stands on ``job.receipt`` also when none succeeds."""

        def attempt(which: Attempt) -> Awaitable[Rendering]:
            return self._engine.render(replace(job, safe=job.safe or which.safe))

        rendering = await self.guard.run(attempt, job.deadline, patient=job.patient)
        return replace(rendering, usage=job.receipt.usage)

    async def warm_up(self) -> None:
        """See the port."""
        await self._engine.warm_up()

    async def ping(self) -> None:
        """Raises: what would keep the next picture from being asked for. Asks nothing of the upstream."""
        self._engine.price(DEFAULT_SIZE)  # the configured model lives
        await self._engine.warm_up()
        self.guard.check()

    async def live_models(self) -> set[str]:
        """See the port; asked once, outside of the guard."""
        return await self._engine.live_models()

    async def aclose(self) -> None:
        """See the port."""
        await self._engine.aclose()
