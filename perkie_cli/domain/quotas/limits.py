"""Daily quotas as pure rules: which counters a request touches, and what each step does to a counter.

A counter lives for one UTC day. A reservation holds a *lease* on every counter of its charge; a success turns the
lease into a use, anything else releases it. A lease whose holder died stops counting when it expires.
The day is that of the reservation: work that ends after midnight is charged to the day on which it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from perkie_cli.domain.errors import QuotaExceeded
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import ANONYMOUS, Owner, Tier
from perkie_cli.domain.quotas.tally import Tally

Tallies = Mapping[str, Tally]  # by counter name

LOW, LAST = 2, 1  # remaining pictures at which the storefront warns


class QuotaWarning(StrEnum):
    """The storefront's warning to the customer."""

    LOW = "low"
    LAST = "last"
    EXHAUSTED = "exhausted"


@frozen
class Counter:
    """One daily counter: its name in the store, its holder's name in messages, and its limit."""

    name: str
    holder: str
    limit: int


@frozen
class Charge:
    """Every counter that one request uses, the owner's own first. Without counters the request is unmetered."""

    owner: Owner
    counters: tuple[Counter, ...]


@frozen
class QuotaLimits:
    """Pictures per UTC day for each tier, and the ceiling for all sessions of one address together."""

    customer: int = 5
    session: int = 3
    ip: int = 5
    ip_ceiling: int = 30

    def charge(self, owner: Owner, address: Owner | None = None) -> Charge:
        """The counters of a request by ``owner`` from ``address`` (None without a network peer).

        A session also counts against its address's ceiling, so that clearing cookies does not help. An address that
        is itself the owner has one counter, not two; the local user of the command line has none.
        """
        if owner == ANONYMOUS:
            return Charge(owner, ())
        counters = [self._own(owner)]
        if owner.tier is Tier.SESSION and address is not None:
            counters.append(self._ceiling(address))
        return Charge(owner, tuple(counters))

    def held_by(self, owner: Owner) -> tuple[Counter, ...]:
        """Every counter of an owner: an address has its own and its sessions' ceiling."""
        own = self._own(owner)
        return (own, self._ceiling(owner)) if owner.tier is Tier.IP else (own,)

    def named(self, name: str) -> Counter:
        """The counter with that name in the store."""
        kind, _, id_ = name.partition(":")
        if kind == "ceiling":
            return self._ceiling(Owner(Tier.IP, id_))
        return self._own(Owner(Tier(kind), id_))

    def _own(self, owner: Owner) -> Counter:
        limit = {Tier.CUSTOMER: self.customer, Tier.SESSION: self.session, Tier.IP: self.ip}[owner.tier]
        holder = "address" if owner.tier is Tier.IP else owner.tier.value
        return Counter(str(owner), f"{holder} {owner.id}", limit)

    def _ceiling(self, address: Owner) -> Counter:
        return Counter(f"ceiling:{address.id}", f"all sessions of address {address.id}", self.ip_ceiling)


@frozen
class CounterState:
    """One of today's counters. Counts are pictures; ``limit`` includes grants; ``uses``: when pictures were counted."""

    counter: str
    used: int
    in_flight: int
    granted: int
    limit: int
    remaining: int
    reset_at: datetime
    uses: tuple[datetime, ...] = ()


@frozen
class QuotaFacts:
    """The public facts of a quota, the same everywhere. ``degraded``: counted in memory, because the store is down."""

    tier: Tier
    limit: int
    used: int
    remaining: int
    reset_at: datetime
    warning: QuotaWarning | None
    degraded: bool


@frozen
class QuotaStatus:
    """What an owner has left today; ``in_flight`` counts live reservations. All counts are pictures."""

    tier: Tier
    limit: int
    used: int
    in_flight: int
    remaining: int
    reset_at: datetime
    degraded: bool = False  # counted in memory, because the store did not answer

    @property
    def warning(self) -> QuotaWarning | None:
        """The warning to show, or None."""
        if self.remaining > LOW:
            return None
        if self.remaining == LOW:
            return QuotaWarning.LOW
        return QuotaWarning.LAST if self.remaining == LAST else QuotaWarning.EXHAUSTED

    def facts(self) -> QuotaFacts:
        """The facts for every kind of answer."""
        return QuotaFacts(self.tier, self.limit, self.used, self.remaining, self.reset_at, self.warning, self.degraded)


def status(charge: Charge, tallies: Tallies, now: datetime, *, degraded: bool = False) -> QuotaStatus | None:
    """The owner's own counter, with the smallest remainder of all counters; None for an unmetered charge."""
    if not charge.counters:
        return None
    at = now.timestamp()
    own = charge.counters[0]
    tally = tallies[own.name]
    return QuotaStatus(
        tier=charge.owner.tier,
        limit=own.limit + tally.granted,
        used=tally.used,
        in_flight=tally.live(at),
        remaining=min(tallies[each.name].remaining(each.limit, at) for each in charge.counters),
        reset_at=reset_at(utc_day(now)),
        degraded=degraded,
    )


def reserve(charge: Charge, tallies: Tallies, id_: str, expires: float, now: datetime) -> dict[str, Tally]:
    """Takes a lease on every counter of the charge, or on none.

    Raises: QuotaExceeded, naming the full counter; ``retry_after`` says when it has a place again.
    """
    at = now.timestamp()
    held: dict[str, Tally] = {}
    for counter in charge.counters:
        tally = tallies[counter.name].reserve(id_, expires, counter.limit, at)
        if tally is None:
            raise _exceeded(counter, tallies[counter.name], now)
        held[counter.name] = tally
    return held


def _exceeded(counter: Counter, tally: Tally, now: datetime) -> QuotaExceeded:
    midnight = reset_at(utc_day(now))
    limit = counter.limit + tally.granted
    used = f"{counter.holder}: {tally.used} of {limit}"
    freed = tally.freed_at(counter.limit, now.timestamp())
    if freed is None:
        message = f"{used} free pictures of today are used"
        hint = f"More are free from {midnight:%Y-%m-%d %H:%M} UTC."
        return QuotaExceeded(message, hint=hint, retry_after=(midnight - now).total_seconds())
    wait = min(freed - now.timestamp(), (midnight - now).total_seconds())
    message = f"{used} free pictures of today are used, the rest are being drawn"
    return QuotaExceeded(message, hint="Wait for the pictures in progress.", retry_after=wait)


def utc_day(now: datetime) -> date:
    """The UTC day that ``now`` is charged to."""
    return now.astimezone(UTC).date()


def reset_at(day: date) -> datetime:
    """The end of the day: midnight UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
