"""A Gemini engine against the emulator over loopback, for integration tests: the real SDK, time that jumps."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from perkie_cli.config.models import load_models
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.money.spend import Budget, Receipt
from perkie_cli.domain.pictures.style import Style
from perkie_cli.domain.secret import Secret
from perkie_cli.emulators.gemini.painter import Painter, TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.engines.gemini.client import Access
from perkie_cli.engines.gemini.engine import GeminiEngine
from perkie_cli.engines.meter import Meter
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import Clock, EventSink, Rendering, RenderJob
from perkie_cli.resilience.breaker import Breaker
from perkie_cli.resilience.guard import Guard
from perkie_cli.resilience.guarded import GuardedStyleEngine
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits
from perkie_cli.stores.sqlite.ledger import SqliteLedger
from perkie_cli.system.threads import thread_workers
from tests.events import Recorder
from tests.jumping_loop import LoopClock

KEY = "canary-7f3a9c51e2d84b60"
STYLE = Style("ink_wash", "Modern", "Draw it in ink.", "Draw it kindly in ink.", "1", "ink_wash")
CAP = Decimal(1000)


def photo(width: int = 451, height: int = 300) -> Raster:
    """A gradient with some noise."""
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 40, (height, width, 3), dtype=np.uint8)
    rgb[..., 0] += np.linspace(0, 200, width, dtype=np.uint8)
    return Raster(rgb)


@dataclass
class Bench:
    """The parts of one set-up."""

    emulator: GeminiEmulator
    engine: GuardedStyleEngine
    gemini: GeminiEngine
    ledger: SqliteLedger
    clock: Clock
    events: Recorder
    _before: Decimal = Decimal(0)

    def plan(self, *faults: dict[str, object], **latency: float) -> None:
        """Sets the fault plan and begins anew."""
        self.emulator.plan = GeminiPlan.parse({"fault": list(faults), "latency": latency})
        self.emulator.reset()

    def job(self, seconds: float | None = None, budget: Budget | None = None, **fields: object) -> RenderJob:
        """One picture, due in ``seconds`` of the bench's clock."""
        deadline = Deadline.never() if seconds is None else Deadline.after(seconds, self.clock.monotonic())
        values: dict[str, object] = {"raster": photo(), "style": STYLE, "size": 256, "deadline": deadline}
        return RenderJob(**{**values, "receipt": Receipt(budget), **fields})  # type: ignore[arg-type]  # by the caller

    async def fresh(self) -> None:
        """Forgets what the guard has learned and what was spent, so that one case does not colour the next."""
        self.engine = GuardedStyleEngine(self.gemini, make_guard(self.clock, self.events), self.clock)
        self.events.events.clear()
        self.plan()
        self._before = await self.ledger.spent(self.clock.now().date())

    async def draw(self, seconds: float | None = None) -> Rendering:
        return await self.engine.render(self.job(seconds))

    async def spent(self) -> Decimal:
        """Since the beginning, or the last ``fresh``."""
        return await self.ledger.spent(self.clock.now().date()) - self._before


def make_guard(clock: Clock, events: EventSink, seed: int = 1) -> Guard:
    """As in production."""
    rng = random.Random(seed)
    return Guard(
        clock=clock,
        rng=rng,
        breaker=Breaker("gemini", clock, events=events),
        limits=UpstreamLimits("gemini", clock, rng),
        retry_budget=RetryBudget(clock),
        times=TimeRules(),
        events=events,
    )


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    access: Access | None = None,
    painter: Painter | None = None,
    cap: Decimal = CAP,
    api_key: str | None = None,
    seed: int = 1,
    warm: bool = True,
    resolve: Callable[[Secret], Secret] = lambda secret: secret,
) -> AsyncIterator[Bench]:
    """Emulator, engine and guard on a loop whose time jumps."""
    clock, events = LoopClock(), Recorder()
    workers = thread_workers(2)
    emulator = GeminiEmulator(painter or TinyPainter(), load_models(), clock, seed=seed, api_key=api_key)
    await emulator.start()
    ledger = SqliteLedger(folder / "spend.sqlite", clock)
    gemini = GeminiEngine(
        access or Access(Secret(KEY), emulator.url, resolve=resolve),
        load_models(),
        default_model="gemini-nano-banana-2.1",
        meter=Meter(ledger, cap, events),
        workers=workers,
        io=workers,
        clock=clock,
    )
    engine = GuardedStyleEngine(gemini, make_guard(clock, events, seed), clock)
    made = Bench(emulator, engine, gemini, ledger, clock, events)
    try:
        if warm and (access is None or access.api_key or access.project):
            await gemini.warm_up()  # importing the SDK is no part of any deadline that a test is about
        yield made
    finally:
        await gemini.aclose()
        await emulator.aclose()
        await ledger.aclose()
        workers.close()
