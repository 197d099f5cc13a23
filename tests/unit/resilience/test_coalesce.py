"""Coalescing: one task a key, and nobody's cancel hurts another."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.resilience.once import Coalescer


@dataclass
class Work:
    """Shared work that a test releases by hand and that remembers how it ended."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: int = 0
    finished: int = 0
    cancelled: int = 0

    async def __call__(self) -> int:
        self.started += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            for _ in range(5):  # cleanup that takes some turns of the loop
                await asyncio.sleep(0)
            self.cancelled += 1
            raise
        self.finished += 1
        return self.started


async def begin(coalescer: Coalescer[int], work: Work, count: int) -> list[asyncio.Task[tuple[int, bool]]]:
    tasks = [asyncio.create_task(coalescer.run("k", work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_hundred_callers_share_one_task() -> None:
    coalescer, work = Coalescer[int](), Work()
    tasks = await begin(coalescer, work, 100)
    work.gate.set()
    results = await asyncio.gather(*tasks)
    assert work.started == 1
    assert [joined for _, joined in results] == [False] + [True] * 99
    assert len(coalescer) == 0


@pytest.mark.parametrize("victim", [0, 1, 7])
async def test_a_cancelled_caller_hurts_nobody(victim: int) -> None:
    coalescer, work = Coalescer[int](), Work()
    tasks = await begin(coalescer, work, 8)
    tasks[victim].cancel()
    await asyncio.wait([tasks[victim]])
    work.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(victim), asyncio.CancelledError)
    assert len(results) == 7
    assert all(isinstance(r, tuple) and r[0] == 1 for r in results)
    assert (work.started, work.finished, work.cancelled) == (1, 1, 0)


async def test_the_last_to_leave_cancels_the_work_and_sees_its_cleanup() -> None:
    coalescer, work = Coalescer[int](), Work()
    tasks = await begin(coalescer, work, 2)
    tasks[0].cancel()
    await asyncio.wait([tasks[0]])
    assert work.cancelled == 0
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    assert work.cancelled == 1


async def test_a_newcomer_does_not_join_dying_work() -> None:
    coalescer, work = Coalescer[int](), Work()
    (task,) = await begin(coalescer, work, 1)
    task.cancel()
    await asyncio.sleep(0)
    (newcomer,) = await begin(coalescer, work, 1)
    await asyncio.wait([task])
    (follower,) = await begin(coalescer, work, 1)
    work.gate.set()
    assert (await newcomer, await follower) == ((2, False), (2, True))


async def test_an_error_reaches_each_and_is_not_kept() -> None:
    coalescer = Coalescer[int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError("upstream")

    results = await asyncio.gather(*(coalescer.run("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(r) for r in results] == [LookupError] * 3

    async def succeed() -> int:
        return 5

    assert await coalescer.run("k", succeed) == (5, False)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), callers=st.integers(1, 20), keys=st.integers(1, 3))
def test_random_cancellations(seed: int, callers: int, keys: int) -> None:
    """Whoever is not cancelled gets its answer; one task at a time a key; nothing is left over."""

    async def scenario() -> None:
        rng = random.Random(seed)
        coalescer = Coalescer[int]()
        running: dict[int, int] = dict.fromkeys(range(keys), 0)

        async def work(key: int) -> int:
            running[key] += 1
            assert running[key] == 1, "two tasks of one key at a time"
            try:
                for _ in range(rng.randrange(1, 6)):
                    await asyncio.sleep(0)
            finally:
                running[key] -= 1
            return key

        wanted = [rng.randrange(keys) for _ in range(callers)]
        tasks = [asyncio.create_task(coalescer.run(key, partial(work, key))) for key in wanted]
        doomed = {i for i in range(callers) if rng.random() < 0.4}
        for index in doomed:
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            tasks[index].cancel()
        for index, task in enumerate(tasks):
            with contextlib.suppress(asyncio.CancelledError):
                assert (await task)[0] == wanted[index]
            assert index in doomed or not task.cancelled()
        assert len(coalescer) == 0
        assert set(running.values()) == {0}

    asyncio.run(scenario())
