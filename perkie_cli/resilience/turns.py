"""Turns: work in the order of its arrival, no more at a time than cores and memory allow, and none that comes too late.

Whoever could not be done by its deadline is refused at once, so that the machine works only on what somebody still
waits for (goodput). How long work takes is measured, for each kind.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from bisect import insort
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock
from perkie_cli.resilience.pace import MARGIN, MeanPaces
from perkie_cli.system.waiting import time_limit

SOONEST = 1.0  # seconds after which a refused client may come back


@dataclass(frozen=True, slots=True)
class Room:
    """``lanes``: how many work at a time. ``capacity``: their total weight, and ``queue`` that of those who wait.

    A single piece heavier than the capacity is let in alone.
    """

    lanes: float
    capacity: float
    queue: float


@dataclass(frozen=True, slots=True)
class Load:
    """A piece of work: its weight, when it is due, and its ``kind``; those of a kind take about the same time.

    ``since``: when its request came, on the monotonic clock; the earlier one goes first.
    """

    weight: float
    kind: Hashable
    due: Deadline
    since: float = 0.0


@dataclass(slots=True, eq=False)
class _Waiter:
    load: Load
    turn: asyncio.Future[float]  # when it began, on the monotonic clock
    accepted: bool = False


class Turns:
    """The queue for this machine's cores and memory. ``what`` names the work in errors."""

    def __init__(self, what: str, room: Room, clock: Clock) -> None:
        self._what = what
        self._room = room
        self._clock = clock
        self._new: list[_Waiter] = []
        self._returning: list[_Waiter] = []  # they hold memory that those in front would wait for
        self._in_lanes: list[tuple[Hashable, float]] = []  # kind, and since when
        self._weight = 0.0
        self._lane_paces = MeanPaces()  # seconds in a lane
        self._paces = MeanPaces()  # seconds from the turn to the end

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._new) + len(self._returning)

    @asynccontextmanager
    async def hold(self, load: Load) -> AsyncIterator[Turn]:
        """Waits for a turn, with a lane and memory, and gives them back at the end.

        Raises: AtCapacity when it could not be done by its deadline, or when too much waits.
        """
        began, waited = await self._wait(self._new, load)
        turn = Turn(self, load, began, waited)
        done = False
        try:
            yield turn
            done = True
        finally:
            turn.leave_lane(done=done)
            self._weight -= self._share(load)
            self._paces.took(load.kind, self._clock.monotonic() - began, done=done)
            self._move_up()

    @asynccontextmanager
    async def lane(self, load: Load) -> AsyncIterator[None]:
        """Waits for a lane, in front of new work, for more work of a turn that has left its own. Raises: AtCapacity."""
        began, _ = await self._wait(self._returning, load)
        done = False
        try:
            yield
            done = True
        finally:
            self._paces.took(load.kind, self._clock.monotonic() - began, done=done)
            self.leave(load.kind, began, done=done)

    def leave(self, kind: Hashable, began: float, *, done: bool) -> None:
        """Frees a lane that was taken at ``began``."""
        self._in_lanes.remove((kind, began))
        self._lane_paces.took(kind, self._clock.monotonic() - began, done=done)
        self._move_up()

    async def _wait(self, queue: list[_Waiter], load: Load) -> tuple[float, bool]:
        """When it got its turn, and whether it had to wait for it."""
        waiter = _Waiter(load, asyncio.get_running_loop().create_future())
        if queue is self._new:
            self._check_memory(load)
        insort(queue, waiter, key=lambda each: each.load.since)
        self._move_up()
        if waiter.turn.done():
            return waiter.turn.result(), False
        # where nobody gets a turn for a while, nobody looks ahead: this is the last chance to say so in time
        left = load.due.remaining(self._clock.monotonic()) - self._paces.expected(load.kind)
        try:
            async with time_limit(left, self._clock) as limit:
                return await waiter.turn, True
        except asyncio.CancelledError:
            self._give_up(queue, waiter)
            raise
        except TimeoutError:
            self._give_up(queue, waiter)
            if not limit.expired():
                raise
            raise self._refusal(0.0, load) from None

    def _give_up(self, queue: list[_Waiter], waiter: _Waiter) -> None:
        if waiter in queue:
            queue.remove(waiter)
        elif not waiter.turn.cancelled() and waiter.turn.exception() is None:  # it got its turn at the same moment
            self._in_lanes.remove((waiter.load.kind, waiter.turn.result()))
            self._weight -= self._share(waiter.load) if queue is self._new else 0.0
        self._move_up()  # without this heavy waiter, lighter ones behind it may fit

    def _move_up(self) -> None:
        """Gives turns to those in front, and refuses those who would get theirs too late."""
        while self._returning and self._has_lane():
            self._let_in(self._returning.pop(0), 0.0)
        while self._new and self._has_lane() and self._fits(self._new[0].load):
            waiter = self._new.pop(0)
            self._let_in(waiter, self._share(waiter.load))
        if self.waiting and not math.isinf(self._room.lanes):
            self._refuse_the_late()

    def _has_lane(self) -> bool:
        return len(self._in_lanes) < self._room.lanes

    def _fits(self, load: Load) -> bool:
        return self._weight + self._share(load) <= self._room.capacity

    def _let_in(self, waiter: _Waiter, weight: float) -> None:
        if waiter.turn.done():  # cancelled, and about to give up
            return
        began = self._clock.monotonic()
        self._in_lanes.append((waiter.load.kind, began))
        self._weight += weight
        waiter.turn.set_result(began)

    def _share(self, load: Load) -> float:
        return min(load.weight, self._room.capacity)

    def _refuse_the_late(self) -> None:
        """Looks ahead: each waiter takes the lane that is free first, for as long as its kind takes."""
        now = self._clock.monotonic()
        free = [max(0.0, self._lane_paces.expected(kind) - (now - began)) for kind, began in self._in_lanes]
        free += [0.0] * (int(self._room.lanes) - len(free))
        heapq.heapify(free)
        for queue in (self._returning, self._new):
            for waiter in tuple(queue):
                load, wait = waiter.load, free[0]
                needed = self._paces.expected(load.kind)
                if not waiter.accepted:  # durations vary; who was let wait is refused only when it is clearly too late
                    needed *= MARGIN
                if wait + needed > load.due.remaining(now):
                    queue.remove(waiter)
                    if not waiter.turn.done():
                        waiter.turn.set_exception(self._refusal(wait, load))
                else:
                    waiter.accepted = True
                    heapq.heapreplace(free, wait + self._lane_paces.expected(load.kind))

    def _check_memory(self, load: Load) -> None:
        """Refuses new work for which memory will not be free in time. Raises: AtCapacity."""
        if math.isinf(load.due.total):
            return  # a part of something that has a deadline, or of a command, which waits
        waiting = sum(self._share(each.load) for each in self._new if not math.isinf(each.load.due.total))
        over = self._weight + waiting + self._share(load) - self._room.capacity
        pace = self._paces.expected(load.kind)
        wait = max(0.0, over) / self._room.capacity * pace  # as if all work took as long as this, evenly spread
        late = wait > 0 and wait + pace > load.due.remaining(self._clock.monotonic())
        if late or (waiting + self._share(load) > self._room.queue and not (self._has_lane() and over <= 0)):
            raise self._refusal(wait, load)

    def _refusal(self, wait: float, load: Load) -> AtCapacity:
        """After how long a new request would be accepted: as much later as this one is late."""
        late = wait + MARGIN * self._paces.expected(load.kind) - load.due.total
        retry_after = max(SOONEST, late)
        return AtCapacity(
            f"too much {self._what} at once",
            hint=f"Try again in {format_duration(retry_after)}.",
            retry_after=retry_after,
        )


class Turn:
    """A lane and memory. ``waited``: they were not free at once."""

    def __init__(self, turns: Turns, load: Load, began: float, waited: bool) -> None:
        self._turns = turns
        self._load = load
        self._began: float | None = began
        self.waited = waited

    def leave_lane(self, *, done: bool = True) -> None:
        """Frees the lane, for work that now waits for somebody else; memory is kept. Repeating it changes nothing."""
        if self._began is not None:
            began, self._began = self._began, None
            self._turns.leave(self._load.kind, began, done=done)
