"""The state of one daily counter, and what each step of a reservation does to it. Pure: a store only keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from perkie_cli.domain.frozen import frozen

SETTLED_KEPT = 32  # enough: a commit is repeated within moments, and a limit allows few reservations at once


@frozen
class Tally:
    """The state of one counter on one day. ``leases`` maps reservation ids to their expiry in epoch seconds."""

    used: int = 0
    granted: int = 0
    leases: Mapping[str, float] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    uses: tuple[float, ...] = ()  # when, in epoch seconds; the last ones, also of those that a reset forgave

    def live(self, now: float) -> int:
        """Leases that still hold a place."""
        return sum(expires > now for expires in self.leases.values())

    def remaining(self, limit: int, now: float) -> int:
        """Places left for another reservation, never negative."""
        return max(0, limit + self.granted - self.used - self.live(now))

    def reserve(self, id_: str, expires: float, limit: int, now: float) -> Tally | None:
        """The tally with a lease for ``id_``, or None if it is full. Repeating a reservation changes nothing."""
        if self.leases.get(id_, 0) > now or id_ in self.settled:
            return self
        if self.remaining(limit, now) < 1:
            return None
        return replace(self, leases={**self._live_leases(now), id_: expires})

    def commit(self, id_: str, now: float) -> Tally:
        """Counts the use once. A picture is not free because its lease expired meanwhile."""
        if id_ in self.settled:
            return self
        left = {each: expires for each, expires in self._live_leases(now).items() if each != id_}
        uses = (*self.uses, now)[-SETTLED_KEPT:]
        return replace(self, used=self.used + 1, leases=left, settled=self._settled_with(id_), uses=uses)

    def release(self, id_: str) -> Tally:
        """Removes the lease; releasing twice, or after a commit, changes nothing."""
        if id_ not in self.leases:
            return self
        return replace(self, leases={each: expires for each, expires in self.leases.items() if each != id_})

    def reset(self) -> Tally:
        """Sets the use to zero. Work in flight keeps its leases and counts when it succeeds."""
        return replace(self, used=0)

    def grant(self, id_: str, count: int) -> Tally:
        """Grants ``count`` more pictures for this day; a negative count takes grants back, at most all of them.

        Repeating a grant changes nothing.
        """
        granted = max(0, self.granted + count)
        if id_ in self.settled or granted == self.granted:  # no change: a counter that was never used stays absent
            return self
        return replace(self, granted=granted, settled=self._settled_with(id_))

    def charge(self, id_: str, count: int) -> Tally:
        """Books ``count`` pictures as used, also over the limit; a negative count takes uses off, at most all of them.

        Repeating a charge changes nothing.
        """
        used = max(0, self.used + count)
        if id_ in self.settled or used == self.used:
            return self
        return replace(self, used=used, settled=self._settled_with(id_))

    def freed_at(self, limit: int, now: float) -> float | None:
        """When an expiring lease will free a place, or None if only the next day will."""
        if limit + self.granted <= self.used:
            return None
        return min((expires for expires in self.leases.values() if expires > now), default=None)

    def _settled_with(self, id_: str) -> tuple[str, ...]:
        return (*self.settled, id_)[-SETTLED_KEPT:]

    def _live_leases(self, now: float) -> dict[str, float]:
        return {id_: expires for id_, expires in self.leases.items() if expires > now}

    def to_document(self) -> dict[str, Any]:
        """The tally as JSON values."""
        return {
            "used": self.used,
            "granted": self.granted,
            "leases": dict(self.leases),
            "settled": list(self.settled),
            "uses": list(self.uses),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None) -> Tally:
        """The inverse of ``to_document``; None is a counter that was never used."""
        if document is None:
            return cls()
        uses = tuple(document.get("uses", ()))  # older versions did not write them
        return cls(document["used"], document["granted"], document["leases"], tuple(document["settled"]), uses)
