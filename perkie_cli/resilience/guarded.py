"""Engines with a guard around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial

from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style
from perkie_cli.ports import Clock, Matte, MattingEngine, MattingJob, PricedEngine, Rendering, RenderJob, Sending
from perkie_cli.resilience.guard import Attempt, Guard
from perkie_cli.resilience.probe import Probe


class GuardedStyleEngine:
    """``ports.PricedEngine``: each ``render`` calls the inner engine as often as the guard allows."""

    def __init__(self, engine: PricedEngine, guard: Guard, clock: Clock) -> None:
        self._engine = engine
        self.guard = guard
        self._probe = Probe(engine.name, engine.reach, clock)

    @property
    def name(self) -> str:
        """The inner engine's name."""
        return self._engine.name

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        """The inner engine's recipe."""
        return self._engine.recipe(style, size, model)

    def price(self, size: int, model: str | None = None) -> Decimal:
        """The inner engine's price."""
        return self._engine.price(size, model)

    async def render(self, job: RenderJob) -> Rendering:
        """Draws with retries. The usage is that of all attempts; ``job.receipt`` has it even if none succeeds."""

        def attempt(which: Attempt) -> Awaitable[Rendering]:
            sending = partial(_within, job.sending, which.sending)
            return self._engine.render(replace(job, safe=job.safe or which.safe, sending=sending))

        rendering = await self.guard.run(attempt, job.deadline, wait_for_quota=job.wait_for_quota, aside=job.sending)
        return replace(rendering, usage=job.receipt.usage)

    async def warm_up(self) -> None:
        """Warms up the inner engine."""
        await self._engine.warm_up()

    async def check_settings(self) -> None:
        """Checks model, key and address without an upstream call. Raises: the error that prevents a picture."""
        await self._engine.check_settings()

    async def ping(self) -> None:
        """Checks that a picture could be drawn: also that the breaker is closed and, by a call that costs
        nothing and is made at most twice a minute, that the upstream answers. Raises: the error that prevents it.
        """
        await self.check_settings()
        await self._engine.warm_up()
        self.guard.check_health()
        await self._probe.check()

    async def reach(self) -> None:
        """Asks the upstream at once."""
        await self._engine.reach()

    async def live_models(self) -> set[str]:
        """Ids of the models that the upstream lists; one call, outside the guard."""
        return await self._engine.live_models()

    async def aclose(self) -> None:
        """Closes the inner engine."""
        await self._probe.aclose()
        await self._engine.aclose()


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
        return await self.guard.run(lambda which: self._engine.matte(replace(job, sending=which.sending)), job.deadline)

    async def ping(self) -> None:
        """Checks that all calls would be made; it sends nothing, which would wake a service that sleeps for free.

        Raises: BreakerOpen, or the lasting refusal that an earlier call met.
        """
        self.guard.check_health()

    async def aclose(self) -> None:
        """Closes the inner engine."""
        await self._engine.aclose()


@asynccontextmanager
async def _within(ours: Sending, guards: Sending) -> AsyncIterator[None]:
    """What the caller does aside from its own work, and within it what the guard allows."""
    async with ours(), guards():
        yield
