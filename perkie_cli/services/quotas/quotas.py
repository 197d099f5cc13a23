"""Reservations: reserve before the work, commit after a success, release after anything else.

While the store is down, uses are counted in bounded memory (or refused, depending on the settings). They are booked in
the store by the next request after it answers again: this needs neither a background task nor a restart.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from itertools import count
from typing import Literal

from perkie_cli.domain.errors import PerkieError, QuotaExceeded, StoreUnavailable
from perkie_cli.domain.events import QuotaUsed, StoreAnswered, StoreFailed
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.quotas import limits as quota
from perkie_cli.domain.quotas.limits import Charge, Counter, QuotaStatus, Tallies
from perkie_cli.ports import STORE_DOWN, Clock, DocumentStore, EventSink
from perkie_cli.services.quotas.counters import CounterStore
from perkie_cli.system.waiting import uninterrupted

PROBE_EVERY = 5.0  # seconds between attempts to reach a store that is down, so that few requests wait for it
MAX_PENDING = 10_000  # uses remembered while the store is down; the oldest are dropped, uncharged
PENDING_PER_REQUEST = 50  # booked by one request, so that no request has to book a whole outage


@frozen
class QuotaRules:
    """How quotas behave. ``margin`` (seconds) is added to a lease to allow for clock differences and slow commits.

    ``max_lease`` (seconds) is the lease of work without a deadline; ``count_local`` also charges local renderings.
    """

    when_down: Literal["memory", "deny"] = "memory"
    margin: float = 30.0
    max_lease: float = 900.0
    count_local: bool = False


@frozen
class _PendingUse:
    day: date
    counters: tuple[Counter, ...]
    id: str


class Reservation:
    """A reserved picture. Leaving the block without ``commit`` releases it."""

    def __init__(self, quotas: Quotas, charge: Charge, seconds: float) -> None:
        now = quotas.clock.now()
        self._quotas = quotas
        self.charge = charge
        self.id = quotas.next_id()
        self.day = quota.utc_day(now)
        self.expires = (now + timedelta(seconds=seconds)).timestamp()
        self.lock = asyncio.Lock()  # one step at a time: a hand-over must not overlap a commit
        self.counters: CounterStore | None = None  # the store that has the leases; None: there are none
        self.committed = False

    async def commit(self) -> None:
        """Charges the picture to the day of the reservation. Does not fail when the store is down.

        If it is cancelled meanwhile, the picture is still charged; ``committed`` tells.
        """
        await uninterrupted(self._quotas.commit(self))

    async def pass_to(self, charge: Charge) -> bool:
        """Passes the reservation to another waiter for the same picture; False (no change) if it has no quota left."""
        return await uninterrupted(self._quotas.move(self, charge))


class Quotas:
    """Reservations over ``documents``, with counters in memory (``fallback``) while it is down."""

    def __init__(
        self, documents: DocumentStore, fallback: DocumentStore, rules: QuotaRules, clock: Clock, events: EventSink
    ) -> None:
        self.rules = rules
        self.clock = clock
        self._events = events
        self._store_name = documents.name
        self._book = CounterStore(documents)
        self._fallback = CounterStore(fallback)
        self._ids = count()
        self._prefix = os.urandom(6).hex()  # unique to this process
        self._pending: deque[_PendingUse] = deque(maxlen=MAX_PENDING)
        self._probe_at: float | None = None  # on the monotonic clock; None: the store answers

    @property
    def degraded(self) -> bool:
        """Whether the store was down at the last attempt."""
        return self._probe_at is not None

    def next_id(self) -> str:
        """A new reservation id; short, because a counter's document holds several."""
        return f"{self._prefix}-{next(self._ids)}"

    @asynccontextmanager
    async def reserve(self, charge: Charge, seconds: float) -> AsyncIterator[Reservation]:
        """Reserves one picture on every counter of the charge, for work of up to ``seconds``.

        Raises: QuotaExceeded; StoreUnavailable if the store is down and the settings say to refuse.
        """
        reservation = Reservation(self, charge, min(seconds, self.rules.max_lease) + self.rules.margin)
        try:
            if charge.counters:
                await uninterrupted(self._take(reservation))
            yield reservation
        finally:
            if reservation.counters is not None:
                await uninterrupted(self._release(reservation))

    async def status(self, charge: Charge) -> QuotaStatus | None:
        """The remaining quota, without consuming any; None if the charge is unmetered.

        Raises: StoreUnavailable if the store is down and the settings say to refuse.
        """
        if not charge.counters:
            return None
        now = self.clock.now()
        day = quota.utc_day(now)
        if self._may_use_store():
            try:
                tallies = await self._tallies(day, charge.counters)
                self._answered()
                return quota.status(charge, tallies, now)
            except STORE_DOWN as error:
                self._went_down("read", error)
        self._refuse_if_denied()
        return quota.status(charge, await self._fallback.read(day, charge.counters), now, degraded=True)

    async def _tallies(self, day: date, counters: Sequence[Counter]) -> Tallies:
        """The counters as they are. Of a store that was down only a transaction shows that it is back: a locked SQLite
        file can still be read.
        """
        if self._probe_at is None:
            return await self._book.read(day, counters)
        return await self._book.change(day, counters, lambda tallies: tallies)

    async def commit(self, reservation: Reservation) -> None:
        """Turns the leases into uses; see ``Reservation.commit``."""
        async with reservation.lock:
            if reservation.counters is not None:
                await self._commit(reservation, reservation.counters)

    async def _commit(self, reservation: Reservation, counters: CounterStore) -> None:
        now = self.clock.now()
        use = _PendingUse(reservation.day, reservation.charge.counters, reservation.id)
        try:
            await counters.commit(use.day, use.counters, use.id, now)
        except STORE_DOWN as error:
            self._went_down("commit", error)
            self._pending.append(use)
        else:
            if counters is self._fallback:
                self._pending.append(use)
        reservation.counters, reservation.committed = None, True
        self._used(reservation, "committed")

    async def move(self, reservation: Reservation, charge: Charge) -> bool:
        """Moves the leases; see ``Reservation.pass_to``."""
        async with reservation.lock:
            counters, now = reservation.counters, self.clock.now()
            if counters is None or quota.utc_day(now) != reservation.day or not charge.counters:
                return False
            try:
                held = reservation.charge.counters
                await counters.move(reservation.day, held, charge, reservation.id, reservation.expires, now)
            except (QuotaExceeded, *STORE_DOWN):
                return False
            reservation.charge = charge
            return True

    async def aclose(self) -> None:
        """Books the pending uses, if the store answers."""
        try:
            await self._book_pending(len(self._pending))
        except STORE_DOWN as error:
            self._went_down("book", error)

    async def _take(self, reservation: Reservation) -> None:
        if self._may_use_store():
            try:
                await self._book_pending(PENDING_PER_REQUEST)
                await self._reserve_in(self._book, reservation)
            except STORE_DOWN as error:
                self._went_down("reserve", error)
            except QuotaExceeded:
                self._answered()  # a refusal also shows that the store answers
                raise
            else:
                self._answered()
                return
        self._refuse_if_denied()
        await self._reserve_in(self._fallback, reservation)

    async def _reserve_in(self, counters: CounterStore, reservation: Reservation) -> None:
        now = self.clock.now()
        reservation.day = quota.utc_day(now)
        try:
            await counters.reserve(reservation.charge, reservation.id, reservation.expires, now)
        except QuotaExceeded:
            self._used(reservation, "refused")
            raise
        reservation.counters = counters
        self._used(reservation, "reserved")

    def _used(self, reservation: Reservation, outcome: str) -> None:
        self._events.emit(QuotaUsed(reservation.charge.owner.tier.value, outcome))

    async def _release(self, reservation: Reservation) -> None:
        async with reservation.lock:
            counters, reservation.counters = reservation.counters, None
            if counters is None:
                return
            try:
                await counters.release(reservation.day, reservation.charge.counters, reservation.id)
            except STORE_DOWN as error:
                self._went_down("release", error)  # the lease will expire
            self._used(reservation, "released")

    async def _book_pending(self, limit: int) -> None:
        """Books pending uses. A commit counts even without a lease, and only once if repeated."""
        for _ in range(limit):
            if not self._pending:  # concurrent requests book from the same queue
                return
            use = self._pending.popleft()
            try:
                await self._book.commit(use.day, use.counters, use.id, self.clock.now())
            except BaseException:
                self._pending.appendleft(use)
                raise

    def _may_use_store(self) -> bool:
        """Whether to use the store: always while it answers; while it is down, one request per probe interval."""
        if self._probe_at is None:
            return True
        now = self.clock.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_EVERY
        return True

    def _went_down(self, operation: str, error: PerkieError) -> None:
        self._probe_at = self.clock.monotonic() + PROBE_EVERY
        self._events.emit(StoreFailed(self._store_name, operation, error.message, error.hint))

    def _answered(self) -> None:
        self._probe_at = None
        self._events.emit(StoreAnswered(self._store_name))

    def _refuse_if_denied(self) -> None:
        if self.rules.when_down == "deny":
            raise StoreUnavailable(
                "quotas cannot be checked, because their store does not answer",
                hint="Try again soon. With quota.when_down = memory, quotas are counted in memory meanwhile.",
                retry_after=PROBE_EVERY,
            )
