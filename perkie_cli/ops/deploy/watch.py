"""Watches a new revision beside the old one for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from math import ceil

from perkie_cli.domain.deploy.gate import ANSWERING, Demands, Finding, Health, Rule, judge, overall
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.deploy.asking import Asker
from perkie_cli.ports import Clock
from perkie_cli.ports.rollouts import RevisionSamples

LEAST_STALE = 30.0  # seconds


@frozen
class Watched:
    """A revision and its own address."""

    revision: str
    address: str


@frozen
class Watch:
    """How often to look, and what to look for. ``hold`` and ``max_hold`` in seconds."""

    rules: Sequence[Rule]
    samples: RevisionSamples
    clock: Clock
    interval: float
    hold: float
    max_hold: float
    least: int
    tell: Callable[[str], None]
    asker: Asker

    async def until_judged(
        self, new: Watched, old: Watched, each_time: Callable[[], Awaitable[None]] | None = None
    ) -> Sequence[Finding]:
        """Looks until it is unhealthy, or healthy after ``hold``, or still inconclusive after ``max_hold``."""
        began, start = self.clock.now(), self.clock.monotonic()
        self.asker.forget()
        await self.look(new, old, began)  # where the counters stand
        while True:
            await self.clock.sleep(self.interval)
            findings = await self.look(new, old, began)
            waited = self.clock.monotonic() - start
            for finding in findings:
                self.tell(f"{waited:.0f} s: {finding}")
            health = overall(findings)
            if health is Health.UNHEALTHY or waited >= self.max_hold:
                return findings
            if health is Health.HEALTHY and waited >= self.hold:
                return findings
            if each_time is not None:
                await each_time()

    async def look(self, new: Watched, old: Watched, began: datetime) -> Sequence[Finding]:
        """One evaluation of all that was answered since ``began``."""
        ours = await self.samples.since(new.revision, new.address, began, self.rules)
        beside = await self.samples.since(old.revision, old.address, began, self.rules)
        asked = await asyncio.gather(self.asker.ask(new.address), self.asker.ask(old.address))
        ours, beside = (
            replace(sample, counts={**sample.counts, ANSWERING.name: counts})
            for sample, counts in zip((ours, beside), asked, strict=True)
        )
        rules = [*self.rules, *([ANSWERING] if new.address else [])]
        looks = ceil(self.max_hold / self.interval) * len(rules)
        stale = self.samples.lateness + max(LEAST_STALE, 3 * self.interval)
        return judge(rules, ours, beside, Demands(self.least, stale, looks))
