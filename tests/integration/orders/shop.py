"""A shop whose uploads are warmed by way of the Batch API: the real client over a socket, and time that hops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from perkie_cli.batch.jobs import JobResult
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.orders.book import OrderBook
from perkie_cli.batch.run import RunResult
from perkie_cli.batch.tally import Tally
from perkie_cli.batch.warm import WarmWork, warm_jobs
from perkie_cli.bootstrap import Overrides, Services, build_services
from perkie_cli.cli.storage.ordering import OrderChoice, Ordering
from perkie_cli.cli.storage.warm import warm_request
from perkie_cli.config.load import load
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.money.report import SpendTotal, total
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.orders import Order, Then
from perkie_cli.domain.storage.selection import WarmBy
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.imaging import codec
from perkie_cli.ports.batch_api import BatchApi
from perkie_cli.system.clock import SystemClock
from tests.conftest import CAT

STYLE = "ink_wash"
ANN = Owner.customer("ann")
HALF = Decimal("0.01785")  # dollars a picture at 1K, half of the list price


class HoppingClock(SystemClock):
    """The system's, ahead by what ``hop`` and long sleeps have added: who sleeps for seconds does not wait for them."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def hop(self, by: timedelta) -> None:
        self.ahead += by

    def now(self) -> datetime:
        return super().now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        if seconds < 5:
            await super().sleep(seconds)
        else:
            self.hop(timedelta(seconds=seconds))
            await asyncio.sleep(0.01)  # servers have their turn


class Quiet:
    """A reporter that keeps the failures."""

    def __init__(self) -> None:
        self.errors: list[PerkieError] = []

    def progress(self, tally: Tally, first: str) -> AbstractContextManager[None]:
        return nullcontext()

    def ended(self, result: JobResult, *, new_error: bool) -> None:
        if result.error is not None:
            self.errors.append(result.error)

    def given_up(self, count: int, why: str) -> None:
        raise AssertionError(why)

    def unexpected(self, error: Exception) -> PerkieError:
        raise error


class Painter(TinyPainter):
    """``copies``: answers with the photo itself."""

    copies = False

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        if self.copies and photo is not None:
            return photo
        return await super().paint(photo, prompt, ratio, side)


@dataclass
class Shop:
    """Uploads, a clock, the emulator, and one process after another."""

    emulator: GeminiEmulator
    painter: Painter
    clock: HoppingClock
    first: date
    reporter: Quiet = field(default_factory=Quiet)
    warnings: list[str] = field(default_factory=list)

    def plan(self, *faults: dict[str, object]) -> None:
        self.emulator.plan = GeminiPlan.parse({"fault": list(faults)})

    def services(self, **parts: Any) -> Services:
        """What a new process has."""
        given: Overrides = {"clock": self.clock, **parts}  # type: ignore[typeddict-item]  # by the caller
        return build_services(load().settings, **given)

    @asynccontextmanager
    async def process(self, **parts: Any) -> AsyncIterator[Services]:
        services = self.services(**parts)
        try:
            yield services
        finally:
            await services.aclose()

    async def upload(self, count: int) -> None:
        async with self.process() as services:
            for number in range(count):
                photo = codec.photo(CAT.read_bytes() + bytes([number]), services.limits)
                await services.originals.keep(ANN, photo)

    async def warmed(
        self,
        services: Services,
        *,
        then: Then = Then.ONLINE,
        wait: bool = False,
        budget: str = "Infinity",
        styles: Sequence[str] = (STYLE,),
        since: timedelta = timedelta(days=9),
        dry_run: bool = False,
    ) -> RunResult:
        """One run of ``cache warm --via batch-api`` in that process."""
        uploads = await services.warming.uploads(since, 100, WarmBy.NEWEST)
        work = WarmWork(services.generate, warm_request, dry_run)
        logbook = Logbook(services.journal, services.locks, services.io, services.clock, self.warnings.append)
        choice = OrderChoice(timedelta(hours=26), then, wait, 2, dry_run)
        purse = Budget(Decimal(budget))
        ordering = Ordering(services, self.warnings.append, choice, work, self.reporter, logbook, purse)
        jobs, run = await ordering.prepared(warm_jobs(services.warming, uploads, styles))
        async with logbook.recorded("cache warm", [], jobs, frozenset()):
            return await run(jobs)

    async def warm(self, **options: Any) -> Mapping[str, int]:
        """The counts of a run in a process of its own."""
        self.reporter.errors.clear()
        async with self.process() as services:
            return (await self.warmed(services, **options)).tally.counted()

    async def done(self) -> None:
        """Returns when no job is at work."""
        for job in list(self.emulator.batches.jobs.values()):
            if job.task is not None:
                await job.task

    async def orders(self) -> Sequence[Order]:
        async with self.process() as services:
            return await OrderBook(services.documents).open()

    async def kept(self) -> list[str]:
        """The keys of the shared pictures."""
        from perkie_cli.domain.storage.selection import Selection

        async with self.process() as services:
            return [info.key async for info in services.blobs.list(Selection("shared/"))]

    async def spend(self) -> SpendTotal:
        """All bookings together."""
        async with self.process() as services:
            return total(await services.ledger.report(self.first, self.clock.now().date()))

    async def codes(self) -> list[str]:
        return sorted(error.code for error in self.reporter.errors)


@asynccontextmanager
async def opened(models: Any) -> AsyncIterator[Shop]:
    """A shop with the emulator beside it."""
    clock = HoppingClock()
    painter = Painter()
    emulator = GeminiEmulator(painter, models, clock)
    await emulator.start()
    try:
        yield Shop(emulator, painter, clock, clock.now().date())
    finally:
        await emulator.aclose()


class FrozenAt:
    """The real API in a process that stops for ever at one place, as if it were killed: nothing of it runs any more.

    ``place``: ``before NAME`` or ``after NAME`` of the ``number``-th call of a method.
    """

    def __init__(self, api: BatchApi, place: str, number: int = 1) -> None:
        self._api = api
        self._when, self._name = place.split()
        self._left = number
        self.reached = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._api, name)
        if name != self._name:
            return method

        async def freezing(*args: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                await self._freeze()
            result = await method(*args)
            if self._left == 0:
                await self._freeze()
            return result

        return freezing

    async def _freeze(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()
