"""One run of ``perkie cache purge``: asks, removes, forgets quotas and names, and hands out a receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.batch.files import write_atomically
from perkie_cli.cli.render import Renderer, plain
from perkie_cli.domain.errors import NotFound, PerkieError
from perkie_cli.domain.events import Audited
from perkie_cli.domain.money.report import LONGEST, total
from perkie_cli.domain.storage.selection import StoredTotal, area_of
from perkie_cli.services.storage.filter import Filter

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.domain.people.identity import Owner
    from perkie_cli.ports import BlobInfo

RECEIPT = "perkie/receipt/1"
STAYS = (
    "lines of the audit log, which name the id",
    "copies that other owners have of the same photo",
    "what its pictures cost, in the sums of the spend ledger, without a name",
    "in a bucket: what its versioning or soft delete keeps (perkie lifecycle diff tells)",
)
"""What an erasure leaves, by design."""


@dataclass(slots=True)
class Purge:
    """What was done. ``counters``: quota counters that were forgotten; ``bookings``: those in the spend ledger that
    lost their name. None if that was not part of it.
    """

    services: Services
    chosen: Filter
    begun: datetime
    removed: list[BlobInfo] = field(default_factory=list)
    totals: Mapping[str, StoredTotal] = field(default_factory=dict)
    counters: int | None = None
    bookings: int | None = None

    async def run(self, acknowledged: str | None, receipt: Path | None) -> PerkieError | None:
        """Removes everything, then writes the receipt, also after a failure, which is returned: what is done is done.

        Raises: UnwritableFile, DiskFull for the receipt.
        """
        error: PerkieError | None = None
        try:
            await self._remove(acknowledged, listed=receipt is not None or self.chosen.erases)
        except PerkieError as failure:
            error = failure
            self.totals = by_area(self.removed)
        if error is None and self.chosen.erases and not (self.removed or self.counters or self.bookings):
            return nothing_of(self.chosen)
        if receipt is not None:
            write_atomically(receipt, (json.dumps(await self._receipt(error), default=plain, indent=2) + "\n").encode())
        return error

    async def _remove(self, acknowledged: str | None, *, listed: bool) -> None:
        """``listed``: keeps every removed object, which a purge of a million should not do."""
        removed = self.removed if listed else None
        self.totals = await self.services.cache_keeping.purge(self.chosen, acknowledged, removed)
        if (owner := _erased(self.chosen)) is not None:
            self.counters = await self.services.quota_admin.forget(owner)
            self.bookings = await self._unnamed(owner)

    async def _unnamed(self, owner: Owner) -> int:
        count = await self.services.ledger.forget(owner)
        if count:
            actor = self.services.protection.actor
            self.services.events.emit(Audited("spend.forget", str(owner), actor, before=f"{count} calls", after="none"))
        return count

    async def _receipt(self, error: PerkieError | None) -> Mapping[str, object]:
        left = await self._left()
        return {
            "schema": RECEIPT,
            "store": self.services.blobs.name,
            "chosen": described(self.chosen),
            "by": self.services.protection.actor,
            "begun": self.begun,
            "ended": self.services.clock.now(),
            "complete": error is None and left == [],
            "error": None if error is None else error.message,
            "removed": [{"key": each.key, "bytes": each.size, "created": each.created} for each in self.removed],
            "not_removed": left,
            "quota_counters_forgotten": self.counters,
            "bookings_unnamed": self.bookings,
            "stays": STAYS if self.chosen.erases else (),
        }

    async def _left(self) -> list[str] | None:
        """The keys that are still there; None if that cannot be told."""
        try:
            return [info.key async for info in self.services.cache_keeping.victims(self.chosen)]
        except PerkieError:
            return None


async def booked(services: Services, chosen: Filter) -> int:
    """The calls in the spend ledger whose name would go. Raises: StoreUnavailable, NotAuthorised."""
    owner, today = _erased(chosen), services.clock.now().date()
    if owner is None:
        return 0
    return total(await services.ledger.report_by_customer(today - LONGEST, today, owner)).calls


def off(bookings: int) -> str:
    """``the name off 2 booked calls``."""
    return f"the name off {bookings} booked call{'s' * (bookings != 1)}"


def _erased(chosen: Filter) -> Owner | None:
    """Who is erased altogether: an owner without further filters."""
    return chosen.owner if chosen == Filter(chosen.owner) else None


def by_area(objects: Sequence[BlobInfo]) -> Mapping[str, StoredTotal]:
    """Totals of the objects."""
    totals: dict[str, StoredTotal] = {}
    for info in objects:
        area = area_of(info.key)
        totals[area] = totals.get(area, StoredTotal()) + StoredTotal(1, info.size, info.touched)
    return dict(sorted(totals.items()))


def nothing_of(chosen: Filter) -> NotFound:
    """The error of an erasure that finds nothing: a mistyped id must not look like a finished erasure."""
    return NotFound(
        f"nothing is stored of {described(chosen)}, so nothing was removed",
        hint="Check the id. It may also have been erased before, or used only elsewhere (another cache.dir or bucket).",
    )


def described(chosen: Filter) -> str:
    """The selection in words: ``customer 42, style=ink_wash``."""
    owner = [f"{chosen.owner.tier.value} {chosen.owner.id}"] if chosen.owner is not None else []
    return ", ".join([*owner, *(f"{name}={value}" for name, value in chosen.given.items() if name != "owner")])


def confirm(renderer: Renderer, chosen: Filter, amount: str, store: str, *, yes: bool) -> None:
    """Asks; names whom it erases. Raises: UsageError when the answer is no."""
    whose = f" of {described(chosen)}" if chosen.owner is not None else ""
    renderer.confirm(f"Remove {amount}{whose} from {store}?", yes=yes)
