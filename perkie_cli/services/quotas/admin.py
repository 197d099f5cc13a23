"""Quota administration for on-call engineers: show, reset, grant, charge. Every change leaves an audit record."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas import limits as quota
from perkie_cli.domain.quotas.limits import Counter, CounterState, QuotaLimits
from perkie_cli.domain.quotas.tally import Tally
from perkie_cli.ports import Clock, DocumentStore, EventSink
from perkie_cli.services.quotas.counters import CounterStore

Step = Callable[[Tally], Tally]


@frozen
class CounterChange:
    """A counter before and after a step."""

    before: CounterState
    after: CounterState

    @property
    def is_one(self) -> bool:
        """Whether anything is different; reservations come and go by themselves."""
        return self.pictures != 0

    @property
    def pictures(self) -> int:
        """How many were granted or booked as used; negative if taken back, which may be fewer than asked for."""
        return (self.after.used - self.before.used) or (self.after.granted - self.before.granted)


class QuotaAdmin:
    """Works on today's counters of one owner, or of all owners with use today (owner None)."""

    def __init__(
        self, documents: DocumentStore, limits: QuotaLimits, clock: Clock, events: EventSink, actor: str
    ) -> None:
        self._book = CounterStore(documents)
        self._store = documents.name
        self._limits = limits
        self._clock = clock
        self._events = events
        self._actor = actor

    async def show(self, owner: Owner | None) -> AsyncIterator[CounterState]:
        """The current counters; an owner without use today has its own at zero.

        Raises: StoreUnavailable.
        """
        day = quota.utc_day(self._clock.now())
        if owner is None:
            async for name, tally in self._book.scan(day):
                yield self._state(self._limits.named(name), tally)
            return
        counters = self._limits.held_by(owner)
        tallies = await self._book.read(day, counters)
        for counter in counters:
            yield self._state(counter, tallies[counter.name])

    def reset(self, owner: Owner | None) -> AsyncIterator[CounterChange]:
        """Sets today's use to zero; pictures being drawn keep their lease and will count.

        Raises: StoreUnavailable.
        """
        return self._change("quota.reset", owner, Tally.reset)

    def grant(self, owner: Owner | None, count: int) -> AsyncIterator[CounterChange]:
        """Grants ``count`` more pictures today; a negative count takes a grant back.

        Raises: StoreUnavailable.
        """
        id_ = uuid.uuid4().hex
        return self._change("quota.grant", owner, lambda tally: tally.grant(id_, count))

    def charge(self, owner: Owner, count: int) -> AsyncIterator[CounterChange]:
        """Books ``count`` pictures as used today, also over the limit; a negative count takes uses off.

        Raises: StoreUnavailable.
        """
        id_ = uuid.uuid4().hex
        return self._change("quota.charge", owner, lambda tally: tally.charge(id_, count))

    async def forget(self, owner: Owner) -> int:
        """Deletes all counters of an owner who is erased, of today and of the days before. Returns how many there were.

        Raises: StoreUnavailable.
        """
        counters = self._limits.held_by(owner)
        count = await self._book.forget(quota.utc_day(self._clock.now()), counters)
        if count:
            target = ", ".join(counter.name for counter in counters)
            self._events.emit(
                Audited("quota.forget", target, self._actor, f"in {self._store}", f"{count} days", "none")
            )
        return count

    async def _change(self, action: str, owner: Owner | None, step: Step) -> AsyncIterator[CounterChange]:
        async for state in self.show(owner):
            change = await self._step(self._limits.named(state.counter), step)
            before, after = _brief(change.before), _brief(change.after)
            self._events.emit(Audited(action, state.counter, self._actor, f"in {self._store}", before, after))
            yield change

    async def _step(self, counter: Counter, step: Step) -> CounterChange:
        before = Tally()

        def once(tallies: quota.Tallies) -> quota.Tallies:
            nonlocal before  # of the last attempt: the step is called again after a lost race
            before = tallies[counter.name]
            return {counter.name: step(before)}

        after = await self._book.change(quota.utc_day(self._clock.now()), [counter], once)
        return CounterChange(self._state(counter, before), self._state(counter, after[counter.name]))

    def _state(self, counter: Counter, tally: Tally) -> CounterState:
        now = self._clock.now()
        return CounterState(
            counter=counter.name,
            used=tally.used,
            in_flight=tally.live(now.timestamp()),
            granted=tally.granted,
            limit=counter.limit + tally.granted,
            remaining=tally.remaining(counter.limit, now.timestamp()),
            reset_at=quota.reset_at(quota.utc_day(now)),
            uses=tuple(datetime.fromtimestamp(each, UTC) for each in tally.uses),
        )


def _brief(state: CounterState) -> str:
    return f"used {state.used}, in flight {state.in_flight}, granted {state.granted}"
