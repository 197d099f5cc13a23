"""Synthetic customers for a canary, by load tests, within its dollars."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from perkie_cli.domain.errors import BudgetExceeded, RunInvalid, ThresholdsFailed
from perkie_cli.domain.units import format_duration
from perkie_cli.loadtest.load import Load, Options, Run
from perkie_cli.loadtest.reading.scenario_file import find
from perkie_cli.loadtest.scenario import Scenario
from perkie_cli.loadtest.verdict import verdict_of
from perkie_cli.ops.deploy.settings import CanarySpec

_JUDGED = ("error_rate", "share_below_")  # what a short run with few requests can tell


@dataclass(slots=True)
class LoadDriver:
    """See ``ports.Driver``. The customers' ids begin with ``load-``. ``spent``: dollars so far."""

    spec: CanarySpec
    headers: Mapping[str, str]
    max_usd: float
    tell: Callable[[str], None]
    spent: float = 0.0

    async def prove(self, address: str) -> str:
        """See the port."""
        for scenario in self._scenarios():
            length = format_duration(scenario.duration)
            self.tell(f"{scenario.name}: {length} of synthetic customers, at most ${self._left:.2f}")
            verdict = verdict_of(await self._run(scenario, address))
            error = verdict.error()
            if isinstance(error, ThresholdsFailed):
                return f"{scenario.name}: {error.message}"
            if isinstance(error, RunInvalid) and not verdict.failed:  # late requests make it look worse, never better
                self.tell(f"{scenario.name}: all thresholds hold, though {error.message}")
            elif error is not None:
                raise error
        return ""

    def _scenarios(self) -> Sequence[Scenario]:
        found = [find(self.spec.smoke)] if self.spec.smoke else []
        if self.spec.load and self.spec.rate:
            found.append(self._steady(self.spec.load_seconds))
        return found

    def _steady(self, seconds: float) -> Scenario:
        whole = find(self.spec.load).scaled(rate=self.spec.rate, duration=seconds)
        judged = tuple(each for each in whole.thresholds if each.metric.startswith(_JUDGED))
        return replace(whole, thresholds=judged)

    @property
    def _left(self) -> float:
        return self.max_usd - self.spent

    async def _run(self, scenario: Scenario, address: str) -> Run:
        if self._left <= 0 < self.max_usd:
            raise BudgetExceeded("the canary's dollars are spent", hint="Raise canary.max_usd or --max-usd.")
        load = Load(scenario, address, self._options())
        try:
            await asyncio.to_thread(load.start)
            while (run := await asyncio.to_thread(load.wait, 0.2)) is None:
                pass
        finally:
            await asyncio.shield(asyncio.to_thread(load.__exit__, None, None, None))
        self.spent += run.tally.usd
        return run

    def _options(self, parts: int = 1) -> Options:
        return Options(workers=1, headers=self.headers, max_usd=max(0.0, self._left) / parts)

    @asynccontextmanager
    async def steady(self, addresses: Sequence[str]) -> AsyncIterator[None]:
        """See the port. It ends early, and says so, when the dollars are spent."""
        if not (self.spec.load and self.spec.rate):
            yield
            return
        known = [address for address in addresses if address]
        scenario, options = self._steady(math.ceil(self.spec.max_hold) + 60.0), self._options(len(known) or 1)
        async with AsyncExitStack() as stack:
            for address in known:
                load = Load(scenario, address, options)
                stack.push_async_callback(self._end, load)
                await asyncio.to_thread(load.start)
            yield

    async def _end(self, load: Load) -> None:
        before = load.latest()
        await asyncio.shield(asyncio.to_thread(load.__exit__, None, None, None))
        self.spent += max(before.tally.usd, load.latest().tally.usd)
        if self.spent > self.max_usd > 0:
            self.tell(f"the synthetic customers have spent their ${self.max_usd:.2f}")
