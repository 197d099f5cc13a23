"""Collects what happened on one day from the ledger, the cache, the journal, the audit file and a server's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from perkie_cli.domain.digest import Digest, Served
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import RECENT, forecast, grouped, total
from perkie_cli.domain.records import AuditRecord
from perkie_cli.domain.runs import Run, Status
from perkie_cli.domain.storage.selection import Selection
from perkie_cli.ports import BlobStore, Journal, SpendLedger

MOST_RUNS = 1000  # that are looked through


@frozen
class Sources:
    """Where a digest comes from. ``served``: counted from logs, if there are any."""

    ledger: SpendLedger
    blobs: BlobStore
    journal: Journal
    audit: Iterable[AuditRecord]
    cap: Decimal
    served: Served | None


async def digest(sources: Sources, day: date) -> Digest:
    """The digest of the UTC day.

    Raises: StoreUnavailable, NotAuthorised, UnreadableFile.
    """
    rows = await sources.ledger.report(day - timedelta(days=RECENT - 1), day)
    of_day = [row for row in rows if row.day == day]
    drawn, substitutes, used_again = await _cache(sources.blobs, day)
    runs = tuple(run for run in sources.journal.runs(MOST_RUNS) if run.begun.astimezone(UTC).date() == day)
    return Digest(
        day=day,
        spent=total(of_day),
        by_style={style: each for (style,), each in grouped(of_day, ["style"]).items()},
        cap=sources.cap,
        ahead=forecast(rows, day + timedelta(days=1), sources.cap),
        drawn=drawn,
        substitutes=substitutes,
        used_again=used_again,
        runs=runs,
        failures=_failures(sources.journal, runs),
        changes=sum(record.time.astimezone(UTC).date() == day for record in sources.audit),
        served=sources.served,
    )


async def _cache(blobs: BlobStore, day: date) -> tuple[Counter[tuple[str, str]], int, int]:
    """Pictures that came, how many of them are substitutes, and older ones that somebody got."""
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    drawn: Counter[tuple[str, str]] = Counter()
    substitutes = used_again = 0
    async for info in blobs.list(Selection("shared/")):
        if begin <= info.created < end:
            facts = info.metadata
            drawn[facts.get("style", "?"), facts.get("engine", "?")] += 1
            substitutes += "degraded" in facts
    async for info in blobs.list(Selection("generated/")):
        used_again += info.created < begin <= info.touched < end
    return drawn, substitutes, used_again


def _failures(journal: Journal, runs: Iterable[Run]) -> Counter[str]:
    return Counter(item.code for run in runs for item in journal.items(run.id, frozenset({Status.FAILED})))
