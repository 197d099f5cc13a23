"""Turns: work in the order of its arrival, no more at a time than cores and memory allow, and none that comes too late.

Whoever could not be done by its deadline is refused at once, so that the machine works only on what somebody still
waits for (goodput). How long work takes is measured, for each kind.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from bisect import insort
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.events import NoEvents, QueueChanged, WaitEnded, WorkRefused
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock, EventSink
from perkie_cli.resilience.pace import MARGIN, MeanPaces
from perkie_cli.system.waiting import time_limit

SOONEST = 1.0  # seconds after which a refused client may come back


@frozen
class Room:
    """``lanes``: how many work at a time. ``capacity``: their total weight, and ``queue`` that of those who wait.

    A single piece heavier than the capacity is let in alone.
    """

    lanes: float
    capacity: float
    queue: float


@frozen
class Load:
    """A piece of work: its weight, when it is due, and its ``kind``; those of a kind take about the same time.

    ``since``: when its request came, on the monotonic clock; the earlier one goes first. ``side_work`` belongs to other
    work that waits too: it is never refused.
    """

    weight: float
    kind: Hashable
    due: Deadline
    since: float = 0.0
    side_work: bool = False


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: Turn
    due: Deadline
    granted: asyncio.Future[None]
    accepted: bool = False


class Turn:
    """A lane and memory. ``waited``: they were not free at once; ``lane_seconds``: how long it had a lane before."""

    def __init__(self, turns: Turns, load: Load) -> None:
        self._turns = turns
        self.load = load
        self.waited = False
        self.lane_seconds = 0.0
        self.began: float | None = None  # since when it has its lane, on the monotonic clock; None: it has none

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Leaves the lane to others for the block, which waits for somebody else, and then comes back. Memory is kept.

        Who fails in the block has no lane afterwards.
        """
        self._turns.leave(self)
        yield
        await self.back()

    async def back(self, due: Deadline | None = None) -> None:
        """Takes a lane again, in front of new work.

        Raises: AtCapacity if there is none in time for the rest of the work to be done when it is ``due``.
        """
        self._turns.leave(self)
        await self._turns.enter(self, due or Deadline.never())


class Turns:
    """The queue for this machine's cores and memory. ``what`` names the work in errors."""

    def __init__(self, what: str, room: Room, clock: Clock, events: EventSink | None = None) -> None:
        self._what = what
        self._name = what.replace(" ", "_")  # in events
        self._room = room
        self._clock = clock
        self._events = events or NoEvents()
        self._new: list[_Waiter] = []
        self._returning: list[_Waiter] = []  # they hold memory that those in front would wait for
        self._turns: list[Turn] = []  # that have memory; also a lane, or they are aside
        self._weight = 0.0
        self._lane_paces = MeanPaces()  # seconds in lanes
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
        turn = Turn(self, load)
        self._check_memory(load)
        turn.waited = await self._wait(self._new, turn, load.due)
        began = self._clock.monotonic()
        done = False
        try:
            yield turn
            done = True
        finally:
            self.leave(turn)
            self._remove(turn)
            self._paces.took(load.kind, self._clock.monotonic() - began, done=done)
            self._lane_paces.took(load.kind, turn.lane_seconds, done=done)
            self._move_up()

    async def enter(self, turn: Turn, due: Deadline) -> None:
        """Gives a turn that is aside its lane again. Raises: AtCapacity."""
        await self._wait(self._returning, turn, due)

    def leave(self, turn: Turn) -> None:
        """Frees the turn's lane; without one nothing changes."""
        if turn.began is not None:
            turn.lane_seconds += self._clock.monotonic() - turn.began
            turn.began = None
            self._move_up()

    async def _wait(self, queue: list[_Waiter], turn: Turn, due: Deadline) -> bool:
        """Whether it had to wait for its lane."""
        waiter = _Waiter(turn, due, asyncio.get_running_loop().create_future())
        insort(queue, waiter, key=lambda each: each.turn.load.since)
        self._move_up()
        if waiter.granted.done():
            waiter.granted.result()
            return False
        # where nobody gets a turn for a while, nobody looks ahead: this is the last chance to say so in time
        began = self._clock.monotonic()
        left = due.remaining(began) - self._still_needed(turn)
        self._events.emit(QueueChanged(self._name, self.waiting))
        try:
            async with time_limit(left, self._clock) as limit:
                await waiter.granted
                self._events.emit(WaitEnded(self._name, self._clock.monotonic() - began))
        except asyncio.CancelledError:
            self._give_up(queue, waiter)
            raise
        except TimeoutError:
            self._give_up(queue, waiter)
            if not limit.expired():
                raise
            raise self._refusal(0.0, turn.load) from None
        finally:
            self._events.emit(QueueChanged(self._name, self.waiting))
        return True

    def _give_up(self, queue: list[_Waiter], waiter: _Waiter) -> None:
        if waiter in queue:
            queue.remove(waiter)
        elif not waiter.granted.cancelled() and waiter.granted.exception() is None:  # granted at the same moment
            self.leave(waiter.turn)
            if queue is self._new:
                self._remove(waiter.turn)
        self._move_up()  # without this heavy waiter, lighter ones behind it may fit

    def _remove(self, turn: Turn) -> None:
        self._turns.remove(turn)
        self._weight -= self._share(turn.load)

    def _move_up(self) -> None:
        """Gives lanes to those in front, and refuses those who would get theirs too late."""
        while self._returning and self._has_lane():
            self._let_in(self._returning.pop(0), new=False)
        while self._new and self._has_lane() and self._fits(self._new[0].turn.load):
            self._let_in(self._new.pop(0), new=True)
        if self.waiting and not math.isinf(self._room.lanes):
            self._refuse_the_late()

    def _has_lane(self) -> bool:
        return self._lane_for(self._turns)

    def _lane_for(self, turns: Sequence[Turn]) -> bool:
        """Whether there is a lane beside those of ``turns``."""
        return sum(turn.began is not None for turn in turns) < self._room.lanes

    def _fits(self, load: Load) -> bool:
        return self._weight + self._share(load) <= self._room.capacity

    def _let_in(self, waiter: _Waiter, *, new: bool) -> None:
        if waiter.granted.done():  # cancelled, and about to give up
            return
        waiter.turn.began = self._clock.monotonic()
        if new:
            self._turns.append(waiter.turn)
            self._weight += self._share(waiter.turn.load)
        waiter.granted.set_result(None)

    def _share(self, load: Load) -> float:
        return min(load.weight, self._room.capacity)

    def _refuse_the_late(self) -> None:
        """Looks ahead: each takes the lane that is free first, for as long as its kind takes."""
        now = self._clock.monotonic()
        free = [self._in_lane(turn, now) for turn in self._turns if turn.began is not None]
        free += [0.0] * (int(self._room.lanes) - len(free))
        heapq.heapify(free)
        returning = [waiter.turn for waiter in self._returning]
        self._look_ahead(self._returning, free, now)
        for turn in self._turns:  # those who will come back
            if turn.began is None and turn not in returning:
                heapq.heapreplace(free, free[0] + self._in_lane(turn, now))
        self._look_ahead(self._new, free, now)

    def _look_ahead(self, queue: list[_Waiter], free: list[float], now: float) -> None:
        for waiter in tuple(queue):
            wait, needed = free[0], self._still_needed(waiter.turn)
            if not waiter.accepted:  # durations vary; who was let wait is refused only when it is clearly too late
                needed *= MARGIN
            if wait + needed > waiter.due.remaining(now):
                queue.remove(waiter)
                if not waiter.granted.done():
                    waiter.granted.set_exception(self._refusal(wait, waiter.turn.load))
            else:
                waiter.accepted = True
                heapq.heapreplace(free, wait + self._in_lane(waiter.turn, now))

    def _in_lane(self, turn: Turn, now: float) -> float:
        """Seconds that it will still have a lane."""
        had = turn.lane_seconds + (0.0 if turn.began is None else now - turn.began)
        return max(0.0, self._lane_paces.expected(turn.load.kind) - had)

    def _still_needed(self, turn: Turn) -> float:
        """Seconds from its lane to the end of the work."""
        if turn in self._turns:
            return self._in_lane(turn, self._clock.monotonic())
        return self._paces.expected(turn.load.kind)

    def _check_memory(self, load: Load) -> None:
        """Refuses new work for which memory will not be free in time. Raises: AtCapacity.

        Side work does not count: it is soon over, and may be this very request's own upload.
        """
        if load.side_work:
            return
        working = [turn for turn in self._turns if not turn.load.side_work]
        waiting = sum(self._share(each.turn.load) for each in self._new if not each.turn.load.side_work)
        held = sum(self._share(turn.load) for turn in working)
        over = held + waiting + self._share(load) - self._room.capacity
        pace = self._paces.expected(load.kind)
        wait = max(0.0, over) / self._room.capacity * pace  # as if all work took as long as this, evenly spread
        late = wait > 0 and wait + pace > load.due.remaining(self._clock.monotonic())
        if late or (waiting + self._share(load) > self._room.queue and not (self._lane_for(working) and over <= 0)):
            raise self._refusal(wait, load)

    def _refusal(self, wait: float, load: Load) -> AtCapacity:
        """After how long a new request would be accepted: as much later as this one is late."""
        late = wait + MARGIN * self._paces.expected(load.kind) - load.due.total
        retry_after = max(SOONEST, late)
        self._events.emit(WorkRefused(self._name))
        return AtCapacity(
            f"too much {self._what} at once",
            hint=f"Try again in {format_duration(retry_after)}.",
            retry_after=retry_after,
        )
