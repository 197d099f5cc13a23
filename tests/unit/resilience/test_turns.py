"""Turns: order, lanes and memory, refusals of what would come too late, and everything given back."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.resilience.turns import Load, Room, Turns
from tests.clock import VirtualClock

NEVER = Deadline.never()
WIDE = Room(math.inf, math.inf, math.inf)


class Machine:
    """Turns on a virtual clock, and what happened to each piece of work by its name."""

    def __init__(self, lanes: float = math.inf, capacity: float = math.inf, queue: float = math.inf) -> None:
        self.clock = VirtualClock()
        self.turns = Turns("work", Room(lanes, capacity, queue), self.clock)
        self.began: list[str] = []
        self.ended: dict[str, float] = {}
        self.refused: dict[str, tuple[float, float | None]] = {}  # when, and Retry-After
        self.weight = self.busy = 0.0
        self.most = [0.0, 0.0]

    async def work(
        self,
        name: str,
        seconds: float,
        *,
        weight: float = 1,
        due: float | None = None,
        kind: str = "picture",
        upstream: float | None = None,
        after: float = 0.0,
        side_work: bool = False,
    ) -> None:
        await self.clock.sleep(after)
        load = Load(weight, kind, Deadline.after(due, self.clock.monotonic()), side_work=side_work)
        try:
            async with self.turns.hold(load) as turn:
                self.began.append(name)
                self._count(weight, 1)
                await self.clock.sleep(seconds)
                self._count(0, -1)
                if upstream is not None:
                    async with turn.aside():
                        await self.clock.sleep(upstream)
                self._count(-weight, 0)
            self.ended[name] = self.clock.monotonic() - 1000
        except AtCapacity as error:
            self.refused[name] = (self.clock.monotonic() - 1000, error.retry_after)

    def _count(self, weight: float, busy: int) -> None:
        self.weight += weight
        self.busy += busy
        self.most = [max(self.most[0], self.weight), max(self.most[1], self.busy)]

    async def run(self, *works: tuple[str, float, dict[str, Any]]) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self.work(name, seconds, **more) for name, seconds, more in works))

        await self.clock.drive(all_of_them())

    async def same(self, count: int, seconds: float, **more: object) -> None:
        await self.run(*((f"{number}", seconds, more) for number in range(count)))


async def test_work_takes_its_turn_in_order_of_arrival_as_lanes_get_free() -> None:
    machine = Machine(lanes=2)
    await machine.same(6, 1.0)
    assert machine.began == list("012345")
    assert machine.ended == {"0": 1, "1": 1, "2": 2, "3": 2, "4": 3, "5": 3}
    assert machine.most[1] == 2


async def test_who_asked_earlier_goes_first_also_with_work_that_comes_later() -> None:
    """Otherwise the uploads of all who wait would go before the first drawing."""
    turns, clock = Turns("work", Room(1, math.inf, math.inf), VirtualClock()), VirtualClock()
    order: list[str] = []

    async def work(name: str, since: float) -> None:
        async with turns.hold(Load(1, "picture", NEVER, since)):
            order.append(name)
            await clock.sleep(1.0)

    names = ("upload of a", 1.1), ("upload of b", 2.1), ("upload of c", 3.1), ("b", 2.0), ("c", 3.0)
    await clock.drive(asyncio.wait_for(asyncio.gather(*(work(*each) for each in names)), 60))
    assert order == ["upload of a", "b", "upload of b", "c", "upload of c"]


async def test_work_waits_in_order_for_its_weight() -> None:
    machine = Machine(capacity=100)
    weights = {"a": 60, "b": 60, "c": 10, "d": 40}
    await machine.run(*((name, 1.0, {"weight": weight}) for name, weight in weights.items()))
    assert machine.began == list("abcd")
    assert machine.ended == {"a": 1, "b": 2, "c": 2, "d": 3}, "c would have fitted beside a, but b came first"


async def test_what_is_heavier_than_all_runs_alone() -> None:
    machine = Machine(capacity=10)
    await machine.run(("light", 1.0, {"weight": 1}), ("heavy", 1.0, {"weight": 1000}), ("next", 1.0, {"weight": 1}))
    assert machine.ended == {"light": 1, "heavy": 2, "next": 3}


async def test_more_than_may_wait_is_refused_at_once() -> None:
    machine = Machine(lanes=1, queue=20)
    await machine.run(
        *((name, 1.0, {"weight": 10, "due": 100.0}) for name in "abcd"),
        ("small", 1.0, {"weight": 1, "after": 0.5, "due": 100.0}),
    )
    assert (machine.began, set(machine.refused)) == (list("abc"), {"d", "small"})
    assert machine.refused["d"] == (0.0, 1.0)


async def test_side_work_refuses_nobody() -> None:
    """A request's own upload holds a lane and memory for a moment: the drawing that comes with it waits."""
    machine = Machine(lanes=1, capacity=10, queue=0)
    await machine.run(
        ("upload", 1.0, {"weight": 10, "side_work": True}), ("drawing", 1.0, {"weight": 10}), ("more", 1.0, {})
    )
    assert (machine.ended, set(machine.refused)) == ({"upload": 1, "drawing": 2}, {"more"})


async def test_what_would_come_too_late_is_refused_at_once_and_the_rest_is_in_time() -> None:
    """Three times as much as two lanes can do: they stay busy to the end, and nobody waits for nothing."""
    machine = Machine(lanes=2)
    await machine.same(4, 1.0)  # to be measured
    began, machine.ended = machine.clock.monotonic() - 1000, {}
    await machine.run(*((f"{n}", 1.0, {"due": 5.0, "after": n / 6}) for n in range(180)))  # 30 s
    assert len(machine.ended) >= 0.9 * 2 * 30
    assert len(machine.ended) + len(machine.refused) == 180
    assert all(end - began <= int(name) / 6 + 5.0 for name, end in machine.ended.items())
    waited = {name: at - began - int(name) / 6 for name, (at, _) in machine.refused.items()}
    assert max(waited.values()) <= 1.0, "as long as one piece of work: where in it the others are is estimated"
    assert {retry_after for _, retry_after in machine.refused.values()} == {1.0}


async def test_retry_after_is_as_long_as_the_queue_is_too_long() -> None:
    machine = Machine(lanes=1)
    await machine.same(1, 4.0)
    await machine.run(*((name, 4.0, {"due": None}) for name in "abcdefgh"), ("late", 4.0, {"due": 20.0}))
    # one at work, seven waiting, and its own with a margin: 38 s
    assert machine.refused["late"][1] == pytest.approx(38 - 20)


async def test_a_burst_before_anything_was_measured_is_thinned_out_as_soon_as_something_is() -> None:
    machine = Machine(lanes=2)
    await machine.same(100, 1.0, due=10.0)
    assert len(machine.ended) >= 0.9 * 20
    assert max(machine.ended.values()) <= 10
    assert {at for at, _ in machine.refused.values()} == {1.0}


async def test_work_that_turns_out_slower_is_refused_before_its_deadline() -> None:
    machine = Machine(lanes=1)
    await machine.same(1, 1.0)
    await machine.run(("stuck", 100.0, {}), ("waits", 1.0, {"due": 5.0}))
    assert machine.refused["waits"][0] - 1.0 == pytest.approx(4.0), "while a client could still be told"


async def test_who_waits_for_an_upstream_leaves_the_lane_but_keeps_its_memory() -> None:
    machine = Machine(lanes=1, capacity=3)
    await machine.same(4, 1.0, upstream=8.0)
    assert machine.most == [3, 1]
    assert machine.ended == {"0": 9, "1": 10, "2": 11, "3": 18}


async def test_when_memory_is_short_the_wait_for_it_counts() -> None:
    machine = Machine(lanes=4, capacity=4)
    await machine.same(4, 1.0, upstream=9.0)
    await machine.run(*((f"{n}", 1.0, {"due": 25.0, "upstream": 9.0}) for n in range(20)))
    assert set(machine.ended) >= {str(n) for n in range(8)}
    assert {name for name, (at, _) in machine.refused.items() if at == 10} == {str(n) for n in range(10, 20)}


async def test_who_comes_back_gets_a_lane_before_new_work_whose_memory_it_holds() -> None:
    machine = Machine(lanes=1, capacity=2)
    order: list[str] = []

    async def falls_back(name: str) -> None:
        async with machine.turns.hold(Load(1, "gemini", NEVER)) as turn:
            with pytest.raises(LookupError):
                async with turn.aside():
                    await machine.clock.sleep(1.0)
                    raise LookupError
            await turn.back()
            await machine.clock.sleep(1.0)
            order.append(name)

    async def everything() -> None:
        await asyncio.gather(falls_back("a"), falls_back("b"), *(machine.work(n, 1.0, weight=2) for n in "cd"))

    await asyncio.wait_for(machine.clock.drive(everything()), 60)
    assert order + machine.began == list("abcd")


async def test_who_comes_back_too_late_for_the_rest_of_its_work_is_refused_at_once() -> None:
    clock = VirtualClock()
    turns = Turns("work", Room(1, math.inf, math.inf), clock)

    async def draw(seconds: float | None) -> None:
        due = Deadline.after(seconds, clock.monotonic())
        async with turns.hold(Load(1, "picture", NEVER)) as turn:
            with pytest.raises(LookupError):
                async with turn.aside():
                    await clock.sleep(1.0)
                    raise LookupError
            await turn.back(due)
            await clock.sleep(4.0)

    async def everything() -> list[BaseException | None]:
        await draw(None)
        return await asyncio.gather(*(draw(12.0) for _ in range(4)), return_exceptions=True)

    ended = await clock.drive(everything())
    assert [type(each) for each in ended] == [type(None), type(None), AtCapacity, AtCapacity]


async def test_new_work_is_refused_for_what_will_come_back_before_it() -> None:
    """Four wait for an upstream and will each need the lane for seconds: a fifth cannot be done in time."""
    machine = Machine(lanes=1)

    async def draw(name: str, due: float | None, after: float = 0.0) -> None:
        await machine.clock.sleep(after)
        try:
            async with machine.turns.hold(Load(1, "p", Deadline.after(due, machine.clock.monotonic()))) as turn:
                async with turn.aside():
                    await machine.clock.sleep(5.0)
                await machine.clock.sleep(4.0)
            machine.ended[name] = machine.clock.monotonic()
        except AtCapacity:
            machine.refused[name] = (machine.clock.monotonic() - 1000, None)

    async def everything() -> None:
        await draw("measured", None)
        busy = machine.work("in the lane", 1.0, after=1.0, kind="quick")
        await asyncio.gather(*(draw(name, None) for name in "abcd"), busy, draw("late", 15.0, after=1.5))

    await machine.clock.drive(everything())
    assert machine.refused == {"late": (10.5, None)}


JOBS = st.tuples(
    st.integers(1, 120),  # weight
    st.sampled_from(["finish", "cancel", "fail", "leave"]),
    st.integers(0, 1000),  # its place in the order of endings
    st.integers(0, 3),  # turns of the loop before that
)


@given(st.lists(JOBS, max_size=25))
def test_every_lane_and_weight_comes_back(jobs: Sequence[tuple[int, str, int, int]]) -> None:
    async def scenario() -> None:
        turns = Turns("work", Room(3, 100, 300), VirtualClock())
        inside: Counter[str] = Counter()

        async def one(weight: int, ending: str, go: asyncio.Event) -> None:
            async with turns.hold(Load(weight, ending, NEVER)) as turn:
                inside.update(weight=min(weight, 100), lanes=1)
                try:
                    assert inside["weight"] <= 100
                    assert inside["lanes"] <= 3
                    if ending == "leave":
                        inside["lanes"] -= 1
                        async with turn.aside():
                            await go.wait()
                        inside["lanes"] += 1
                        assert inside["lanes"] <= 3
                    await go.wait()
                    if ending == "fail":
                        raise RuntimeError
                finally:
                    inside["weight"] -= min(weight, 100)
                    inside["lanes"] -= 1

        events = [asyncio.Event() for _ in jobs]
        tasks = [asyncio.create_task(one(w, e, go)) for (w, e, *_), go in zip(jobs, events, strict=True)]
        for index, (_, ending, _, pause) in sorted(enumerate(jobs), key=lambda job: job[1][2]):
            for _ in range(pause):
                await asyncio.sleep(0)
            tasks[index].cancel() if ending == "cancel" else events[index].set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        assert turns.waiting == 0
        async with asyncio.timeout(60), turns.hold(Load(1000, "all of it", NEVER)):
            pass

    asyncio.run(scenario())
