"""``--estimate`` and ``--confirm-over``: what a run would cost, less what is there and what is cached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.work import FileWork
from perkie_cli.cli.batch.rows import EstimateRow
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import dollars

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services


CUT_OUT = "cut-out"


class _Fate(StrEnum):
    THERE = "there"
    CACHED = "cached"
    REFUSED = "refused"
    DRAWN = "drawn"


@frozen
class Estimating:
    """Estimates a run; ``price`` in dollars of one picture."""

    services: Services
    work: FileWork
    price: Decimal

    async def report(self, jobs: Sequence[Job]) -> Report:
        """A row for each style."""
        fates = await self._fates(jobs)
        rows = [self._row(style, fates) for style in dict.fromkeys(job.style for job in jobs)]
        spent = await self.services.ledger.spent(self.services.clock.now().date())
        total = sum((row.usd for row in rows), Decimal(0))
        drawn = sum(row.to_draw for row in rows if row.style != CUT_OUT)
        summary = {"pictures": len(jobs), "to_draw": drawn, "usd": total, "usd_spent_today": spent}
        about = f"about {dollars(total)} for {drawn} pictures; thinking tokens and retries cost extra"
        return Report(
            rows, summary, [_table(rows), f"{about} (--budget sets a limit); today {dollars(spent)} is spent"]
        )

    async def confirm(self, renderer: Renderer, jobs: Sequence[Job], most: Decimal, *, yes: bool) -> None:
        """Asks if the run would cost more than ``most`` dollars. Raises: UsageError without consent."""
        if self.price * sum(bool(job.style) for job in jobs) <= most:  # without a look at the photos
            return
        fates = await self._fates(jobs)
        drawn = sum(count for (style, fate), count in fates.items() if style and fate is _Fate.DRAWN)
        if (usd := self.price * drawn) > most:
            renderer.confirm(f"Draw {drawn} pictures for about {dollars(usd)}?", yes=yes)

    def _row(self, style: str, fates: Counter[tuple[str, _Fate]]) -> EstimateRow:
        there, cached, refused, drawn = (fates[style, fate] for fate in _Fate)
        pictures = there + cached + refused + drawn
        each = self.price if style else Decimal(0)  # a cut-out costs nothing
        return EstimateRow(style or CUT_OUT, pictures, there, cached, refused, drawn, each, each * drawn)

    async def _fates(self, jobs: Sequence[Job]) -> Counter[tuple[str, _Fate]]:
        there = await self.work.there(jobs)
        fates: Counter[tuple[str, _Fate]] = Counter()
        for place, job in enumerate(jobs):
            fates[job.style, _Fate.THERE if place in there else await self._fate(job)] += 1
        return fates

    async def _fate(self, job: Job) -> _Fate:
        try:
            return _Fate.DRAWN if await self.work.needs_drawing(job) else _Fate.CACHED
        except PerkieError:
            return _Fate.REFUSED


def _table(rows: Sequence[EstimateRow]) -> Table:
    names = ("style", "pictures", "there", "cached", "refused", "to draw", "each", "together")
    cells = [
        (
            *(row.style, row.pictures, row.there, row.cached, row.refused, row.to_draw),
            *(dollars(row.usd_each), dollars(row.usd)),
        )
        for row in rows
    ]
    return Table(names, cells, frozenset(names[1:]))
