"""Brings back pictures that somebody's rule or hand deleted in a bucket, from what versioning and soft delete keep.

What was meant to go stays gone: what perkie removed (it is marked), what a customer had erased by the audit log of this
machine, and what had passed its lifetime.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.cache_key import parse_name
from perkie_cli.domain.records import AuditRecord
from perkie_cli.domain.storage.lifecycle import Rule
from perkie_cli.domain.storage.selection import StoredTotal, area_of, total
from perkie_cli.ports import Clock, EventSink, GoneObject, GoneObjects
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import AT_ONCE
from perkie_cli.services.storage.together import together

EVER = datetime.min.replace(tzinfo=UTC)
FOLDERS = {"customer": "customers", "session": "temp"}
_OWNED = re.compile(r"(?:originals|generated)/((?:customers|temp)/[^/]+)/")


@frozen
class Restorable:
    """What can come back, and how many objects stay gone since they were meant to go."""

    objects: Sequence[GoneObject]
    meant: int

    @property
    def totals(self) -> Mapping[str, StoredTotal]:
        """By area; ``oldest`` is the time since when the first of them is gone."""
        return by_area(self.objects)


class Restoring:
    """The use case. ``rules`` are the configured lifetimes; ``audit`` reads the audit log of this machine."""

    def __init__(
        self,
        gone: GoneObjects,
        clock: Clock,
        events: EventSink,
        rules: Sequence[Rule],
        actor: str,
        audit: Callable[[], Iterable[AuditRecord]],
    ) -> None:
        self._gone = gone
        self._clock = clock
        self._events = events
        self._rules = rules
        self._actor = actor
        self._audit = audit

    @property
    def store(self) -> str:
        """``gs://bucket``."""
        return self._gone.name

    async def find(self, chosen: Filter, since: datetime) -> Restorable:
        """The objects that are gone ``since`` then. Raises: StoreUnavailable, NotAuthorised, UnreadableFile."""
        found: list[GoneObject] = []
        for selection in chosen.selections(self._rules, self._clock.now()):
            for each in await self._gone.list(selection.prefix):
                touched = each.facts.touched or each.gone
                if each.gone >= since and selection.matches(each.facts.key, each.size, touched):
                    found.append(each)
        erased = await asyncio.to_thread(self._erased)
        hashes = {parse_name(each.facts.key)[0] for each in found if _was_erased(each, erased)}
        back = [each for each in found if not self._meant(each, erased, hashes)]
        return Restorable(back, len(found) - len(back))

    async def restorable(self) -> StoredTotal:
        """All that can come back; ``oldest`` is the time since when the first of it is gone. Raises: as ``find``."""
        return total((await self.find(Filter(), EVER)).totals)

    async def restore(self, chosen: Filter, objects: Sequence[GoneObject]) -> Sequence[GoneObject]:
        """Those that came back. An audit record holds their number, even if it fails or is interrupted."""
        back: list[GoneObject] = []

        async def bring(each: GoneObject) -> None:
            if await self._gone.bring_back(each, self._clock.now()):
                back.append(each)

        try:
            for begin in range(0, len(objects), AT_ONCE):
                outcomes = await together(bring(each) for each in objects[begin : begin + AT_ONCE])
                if failed := [each for each in outcomes if isinstance(each, BaseException)]:
                    raise failed[0]
        finally:
            whole = total(by_area(back))
            detail = f"{whole.count} objects, {whole.bytes} bytes"
            target = f"{self.store} {chosen.words}".rstrip()
            self._events.emit(Audited("cache restore", target, self._actor, detail))
        return sorted(back, key=lambda each: each.facts.key)

    def _meant(self, gone: GoneObject, erased: Mapping[str, datetime], hashes: set[str]) -> bool:
        key = gone.facts.key
        derived = _OWNED.match(key) is None and parse_name(key)[0] in hashes
        lived = any(rule.matches(gone.facts, gone.gone) for rule in self._rules)
        return gone.removed or derived or lived or _was_erased(gone, erased)

    def _erased(self) -> Mapping[str, datetime]:
        """The folders of erased owners, and when the last erasure was."""
        found: dict[str, datetime] = {}
        begin = f"{self.store} owner="
        for record in self._audit():
            if record.action == "cache purge" and record.target.startswith(begin):
                tier, _, id_ = record.target.removeprefix(begin).partition(":")
                if tier in FOLDERS and " " not in id_:  # with further filters it was no erasure
                    found[f"{FOLDERS[tier]}/{id_}"] = record.time
        return found


def _was_erased(gone: GoneObject, erased: Mapping[str, datetime]) -> bool:
    owned = _OWNED.match(gone.facts.key)
    return owned is not None and owned[1] in erased and gone.gone <= erased[owned[1]]


def by_area(objects: Iterable[GoneObject]) -> Mapping[str, StoredTotal]:
    """Totals of gone objects, with the time since when the first one is gone."""
    totals: dict[str, StoredTotal] = {}
    for each in objects:
        area = area_of(each.facts.key)
        totals[area] = totals.get(area, StoredTotal()) + StoredTotal(1, each.size, each.gone)
    return dict(sorted(totals.items()))
