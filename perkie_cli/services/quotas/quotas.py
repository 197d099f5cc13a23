"""Quotas in use: reserve before the work, commit after a success, give back after anything else.

While the store is down, uses are counted in bounded memory (or refused, by setting). What was drawn meanwhile is
booked in the store as soon as it answers again, within the next request: no background work, no restart.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Literal

from perkie_cli.domain.errors import PerkieError, QuotaExceeded, StoreUnavailable
from perkie_cli.domain.events import StoreFailed
from perkie_cli.domain.quotas import limits as quota
from perkie_cli.domain.quotas.limits import Charge, Counter, QuotaStatus
from perkie_cli.ports import STORE_DOWN, Clock, DocumentStore, EventSink
from perkie_cli.services.quotas.book import Book
from perkie_cli.system.waiting import uninterrupted

PROBE_EVERY = 5.0  # seconds between tries of a store that is down, so that not every request waits for it
OWED_MOST = 10_000  # uses kept for a store that is down; beyond it the oldest are forgiven
OWED_AT_A_TIME = 50  # booked within one request, so that none pays for a whole outage


@dataclass(frozen=True, slots=True)
class QuotaRules:
    """How quotas behave. ``margin`` (seconds) is added to a lease, for clocks that differ and settling that takes time.

    ``longest`` (seconds) bounds the lease of work without a deadline; ``count_local`` charges local renderings too.
    """

    when_down: Literal["memory", "deny"] = "memory"
    margin: float = 30.0
    longest: float = 900.0
    count_local: bool = False


@dataclass(frozen=True, slots=True)
class _Owed:
    day: date
    counters: tuple[Counter, ...]
    id: str


class Reservation:
    """A place that is held. Leaving its block without ``commit`` gives it back."""

    def __init__(self, quotas: Quotas, charge: Charge, seconds: float) -> None:
        now = quotas.clock.now()
        self._quotas = quotas
        self.charge = charge
        self.id = quotas.next_id()
        self.day = quota.utc_day(now)
        self.expires = (now + timedelta(seconds=seconds)).timestamp()
        self.lock = asyncio.Lock()  # one step at a time: a hand-over must not cross a commit
        self.book: Book | None = None  # where the leases are; None: there are none
        self.committed = False

    async def commit(self) -> None:
        """Charges the picture to the day of the reservation. Never fails for a store that is down.

        Cancelled meanwhile, it is charged all the same; ``committed`` says so.
        """
        await uninterrupted(self._quotas.commit(self))

    async def pass_to(self, charge: Charge) -> bool:
        """Hands the place to another who waits for the same picture; False (and no change) if it has none left."""
        return await uninterrupted(self._quotas.move(self, charge))


class Quotas:
    """Reservations over ``documents``, with ``spare`` counters (in memory) for when it is down."""

    def __init__(
        self, documents: DocumentStore, spare: DocumentStore, rules: QuotaRules, clock: Clock, events: EventSink
    ) -> None:
        self.rules = rules
        self.clock = clock
        self._events = events
        self._store_name = documents.name
        self._book = Book(documents)
        self._spare = Book(spare)
        self._ids = count()
        self._prefix = os.urandom(6).hex()  # unlike any other process's
        self._owed: deque[_Owed] = deque(maxlen=OWED_MOST)
        self._probe_at: float | None = None  # on the monotonic clock; None: the store answers

    @property
    def degraded(self) -> bool:
        """Whether the store was down at the last try."""
        return self._probe_at is not None

    def next_id(self) -> str:
        """Of a reservation; short, since a counter's document holds some of them."""
        return f"{self._prefix}-{next(self._ids)}"

    @asynccontextmanager
    async def reserve(self, charge: Charge, seconds: float) -> AsyncIterator[Reservation]:
        """Holds a place on every counter of the charge for work of at most ``seconds``.

        Raises: QuotaExceeded; StoreUnavailable where a store that is down means no.
        """
        reservation = Reservation(self, charge, min(seconds, self.rules.longest) + self.rules.margin)
        try:
            if charge.counters:
                await uninterrupted(self._take(reservation))
            yield reservation
        finally:
            if reservation.book is not None:
                await uninterrupted(self._release(reservation))

    async def status(self, charge: Charge) -> QuotaStatus | None:
        """What is left, without consuming; None where the charge is unmetered.

        Raises: StoreUnavailable where a store that is down means no.
        """
        if not charge.counters:
            return None
        now = self.clock.now()
        day = quota.utc_day(now)
        if self._worth_asking():
            try:
                tallies = await self._book.read(day, charge.counters)
                self._probe_at = None
                return quota.status(charge, tallies, now)
            except STORE_DOWN as error:
                self._went_down("read", error)
        self._refuse_if_denied()
        return quota.status(charge, await self._spare.read(day, charge.counters), now, degraded=True)

    async def commit(self, reservation: Reservation) -> None:
        """Turns the leases into uses; see ``Reservation.commit``."""
        async with reservation.lock:
            if reservation.book is not None:
                await self._commit(reservation, reservation.book)

    async def _commit(self, reservation: Reservation, book: Book) -> None:
        now = self.clock.now()
        owed = _Owed(reservation.day, reservation.charge.counters, reservation.id)
        try:
            await book.commit(owed.day, owed.counters, owed.id, now)
        except STORE_DOWN as error:
            self._went_down("commit", error)
            self._owed.append(owed)
        else:
            if book is self._spare:
                self._owed.append(owed)
        reservation.book, reservation.committed = None, True

    async def move(self, reservation: Reservation, charge: Charge) -> bool:
        """Moves the leases; see ``Reservation.pass_to``."""
        async with reservation.lock:
            book, now = reservation.book, self.clock.now()
            if book is None or quota.utc_day(now) != reservation.day or not charge.counters:
                return False
            try:
                held = reservation.charge.counters
                await book.move(reservation.day, held, charge, reservation.id, reservation.expires, now)
            except (QuotaExceeded, *STORE_DOWN):
                return False
            reservation.charge = charge
            return True

    async def aclose(self) -> None:
        """Books what is still owed, as far as the store answers."""
        try:
            await self._pay(len(self._owed))
        except STORE_DOWN as error:
            self._went_down("book", error)

    async def _take(self, reservation: Reservation) -> None:
        if self._worth_asking():
            try:
                await self._pay(OWED_AT_A_TIME)
                await self._reserve_in(self._book, reservation)
            except STORE_DOWN as error:
                self._went_down("reserve", error)
            except QuotaExceeded:
                self._probe_at = None  # a refusal is an answer
                raise
            else:
                self._probe_at = None
                return
        self._refuse_if_denied()
        await self._reserve_in(self._spare, reservation)

    async def _reserve_in(self, book: Book, reservation: Reservation) -> None:
        now = self.clock.now()
        reservation.day = quota.utc_day(now)
        await book.reserve(reservation.charge, reservation.id, reservation.expires, now)
        reservation.book = book

    async def _release(self, reservation: Reservation) -> None:
        async with reservation.lock:
            book, reservation.book = reservation.book, None
            if book is None:
                return
            try:
                await book.release(reservation.day, reservation.charge.counters, reservation.id)
            except STORE_DOWN as error:
                self._went_down("release", error)  # the lease expires by itself

    async def _pay(self, most: int) -> None:
        """Books owed uses. A commit without a lease counts all the same, and a repeated one counts once."""
        for _ in range(most):
            if not self._owed:  # requests side by side book from the same ones
                return
            owed = self._owed.popleft()
            try:
                await self._book.commit(owed.day, owed.counters, owed.id, self.clock.now())
            except BaseException:
                self._owed.appendleft(owed)
                raise

    def _worth_asking(self) -> bool:
        """Whether to try the store: always while it answers, else one request at a time, now and then."""
        if self._probe_at is None:
            return True
        now = self.clock.monotonic()
        if now < self._probe_at:
            return False
        self._probe_at = now + PROBE_EVERY
        return True

    def _went_down(self, operation: str, error: PerkieError) -> None:
        self._probe_at = self.clock.monotonic() + PROBE_EVERY
        self._events.emit(StoreFailed(self._store_name, operation, error.message))

    def _refuse_if_denied(self) -> None:
        if self.rules.when_down == "deny":
            raise StoreUnavailable(
                "quotas cannot be checked, since their store does not answer",
                hint="Try again soon. The setting quota.when_down = memory counts in memory meanwhile.",
                retry_after=PROBE_EVERY,
            )
