"""What no event tells: memory, the day's spending, the use of an upstream's quota. Read when somebody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.money.report import RECENT, forecast
from perkie_cli.ports import Clock, SpendLedger
from perkie_cli.telemetry.counting import Counting
from perkie_cli.telemetry.measures import Measures

READ_EVERY = 15.0  # seconds
WITHIN = 1.0  # seconds for the ledger
_CGROUPS = (  # v2, v1: what is used, and the limit
    ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.max"),
    ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_NO_LIMIT = 1 << 60  # version 1 has a huge number in place of none


class Readings:
    """Reads into the measures, at most every ``READ_EVERY`` seconds."""

    def __init__(
        self,
        counting: Counting,
        clock: Clock,
        *,
        ledger: SpendLedger | None,
        cap: Decimal,
        upstream: Callable[[], Mapping[str, Mapping[str, float]]],
    ) -> None:
        """``ledger``: None where nothing is spent; ``upstream``: used shares by upstream and quota."""
        self._counting = counting
        self._measures: Measures = counting.measures
        self._clock = clock
        self._ledger = ledger
        self._cap = cap
        self._upstream = upstream
        self._due = 0.0
        self._mean: tuple[date, Decimal] | None = None  # of the days before that one

    async def take(self) -> None:
        """Takes the readings that are due. A ledger that does not answer in time is left out."""
        self._counting.bring_up_to_date()
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + READ_EVERY
        for what, value in memory().items():
            self._measures.set(what, to=value)
        for upstream, shares in self._upstream().items():
            for quota, share in shares.items():
                self._measures.set("upstream_quota_share", upstream, quota, to=share)
        if self._ledger is not None:
            try:
                async with asyncio.timeout(WITHIN):
                    await self._read_spending(self._ledger)
            except (PerkieError, TimeoutError):
                return  # who books there tells of it

    async def _read_spending(self, ledger: SpendLedger) -> None:
        today = self._clock.now().date()
        spent, mean = await ledger.spent(today), await self._mean_before(ledger, today)
        self._measures.set("spend_today_usd", to=float(spent))
        self._measures.set("spend_over_average", to=float(spent / mean) if mean else 0.0)
        if self._cap:
            self._measures.set("spend_cap_share", to=float(spent / self._cap))

    async def _mean_before(self, ledger: SpendLedger, today: date) -> Decimal:
        """Read once a day: finished days change no more, and each costs as many reads as today."""
        if self._mean is None or self._mean[0] != today:
            rows = await ledger.report(today - timedelta(days=RECENT), today - timedelta(days=1))
            self._mean = (today, forecast(rows, today, self._cap).usd_per_day)
        return self._mean[1]


def memory(cgroups: tuple[tuple[str, str], ...] = _CGROUPS) -> Mapping[str, float]:
    """``memory_bytes`` of this process, and ``memory_share`` of its container's limit, as far as Linux tells."""
    found: dict[str, float] = {}
    if (pages := _first_word("/proc/self/statm", 1)) is not None:
        found["memory_bytes"] = pages * _page_size()
    for used, most in cgroups:
        limit = _first_word(most)
        if limit is not None and limit < _NO_LIMIT and (now := _first_word(used)) is not None:
            found["memory_share"] = now / limit
            break
    return found


def _first_word(path: str, place: int = 0) -> int | None:
    try:
        return int(Path(path).read_text("ascii").split()[place])
    except (OSError, ValueError, IndexError):
        return None  # another system, or "max"


def _page_size() -> int:
    import resource

    return resource.getpagesize()
