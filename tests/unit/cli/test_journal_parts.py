"""The journal beside the outputs: how often it is written, and what is lost when that fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import PurePath

import pytest

from perkie_cli.batch.machines.merge import attempt_of
from perkie_cli.batch.machines.parts import EVERY, LARGEST, Parts
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from tests.clock import ManualClock

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


class TurnClock(ManualClock):
    """Each sleep ends when ``turn`` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: asyncio.Queue[None] = asyncio.Queue()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        assert seconds == EVERY
        self.asleep.set()
        await self.turns.get()

    async def turn(self) -> None:
        """Lets one interval pass, and all that follows from it."""
        await self.asleep.wait()
        self.asleep.clear()
        self.turns.put_nowait(None)
        await self.asleep.wait()


class Place:
    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.down = False

    async def write(self, path: PurePath, data: bytes) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("no bucket today")
        assert str(path) not in self.parts, "a part is written once"
        self.parts[str(path)] = data


def items(count: int, status: Status = Status.WAITING) -> list[Item]:
    return [Item(place, f"pet{place}.png", f"/out/pet{place}.jpg", "ink_wash", status) for place in range(count)]


async def test_parts_are_written_at_intervals_and_hold_what_changed_since() -> None:
    clock, place, warnings = TurnClock(), Place(), list[str]()
    parts = Parts(PurePath("out"), Shard(0, 2), place.write, clock, warnings.append)
    run = Run("r1", "stylize", ("stylize", "x"), "/", NOW, 100)
    async with parts.of(run, items(100)):
        assert list(place.parts) == ["out/r1/00000.jsonl"]
        for item in items(50, Status.RUNNING) + items(40, Status.DONE):
            parts.note(item)
        assert len(place.parts) == 1, "not at each item"
        await clock.turn()
        await clock.turn()
        assert len(place.parts) == 2, "not without a change"
        place.down = True
        parts.note(items(41, Status.FAILED)[40])
        await clock.turn()
        await clock.turn()
        assert warnings == ["the journal beside the outputs could not be written: no bucket today"]
        place.down = False
        await parts.finish(Outcome.INTERRUPTED, NOW)
    read = attempt_of("r1", sorted(place.parts.items()))
    assert (read.run.outcome, read.run.ended, read.shard) == (Outcome.INTERRUPTED, NOW, Shard(0, 2))
    told = [read.items[place].status for place in range(100)]
    assert told == [Status.DONE] * 40 + [Status.FAILED] + [Status.RUNNING] * 9 + [Status.WAITING] * 50


async def test_a_part_does_not_grow_with_the_run() -> None:
    place = Place()
    parts = Parts(PurePath("out"), None, place.write, TurnClock(), print)
    count = 2 * LARGEST + 5
    async with parts.of(Run("r1", "stylize", (), "/", NOW, count), items(count)):
        pass
    assert [data.count(b"\n") for data in place.parts.values()] == [LARGEST, LARGEST, 6]
    assert len(attempt_of("r1", place.parts.items()).items) == count


async def test_a_place_that_cannot_be_written_ends_the_run_before_it_pays() -> None:
    place = Place()
    place.down = True
    parts = Parts(PurePath("out"), None, place.write, TurnClock(), print)
    with pytest.raises(StoreUnavailable):
        async with parts.of(Run("r1", "stylize", (), "/", NOW, 1), items(1)):
            raise AssertionError("the run began")
