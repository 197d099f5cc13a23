from __future__ import annotations

import asyncio
import threading

import pytest

from perkie_cli.system.waiting import alongside, as_they_end, finish_in_thread, first_of, stop


async def test_what_has_begun_is_finished_and_told_before_a_cancel_takes_effect() -> None:
    begun, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def write() -> str:
        begun.set()
        assert go_on.wait(60)
        return "written"

    async def job() -> None:
        told.append(await finish_in_thread(write))
        await asyncio.sleep(0)
        told.append("the next job")

    task = asyncio.create_task(job())
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["written"]


async def test_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        await finish_in_thread(lambda: 1 // 0)


class Work:
    """Runs until it is stopped, and cleans up for a while."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cleaned = False

    async def run(self) -> None:
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned = True


async def test_what_runs_alongside_a_block_has_cleaned_up_when_the_block_is_left() -> None:
    work = Work()
    with pytest.raises(ZeroDivisionError):
        async with alongside(work.run()) as task:
            await work.begun.wait()
            _ = 1 // 0
    assert task.cancelled()
    assert work.cleaned


async def test_a_block_keeps_the_result_of_what_ran_alongside() -> None:
    async with alongside(asyncio.sleep(0, "kept")) as task:
        await first_of(task)
    assert task.result() == "kept"


async def test_first_of_returns_at_the_first_end_or_at_its_time_and_stops_nothing() -> None:
    quick, slow = asyncio.ensure_future(asyncio.sleep(0, 1)), asyncio.ensure_future(Work().run())
    await first_of(quick, slow)
    assert (quick.done(), slow.done()) == (True, False)
    await first_of(slow, seconds=0.01)
    assert not slow.done()
    await stop(quick, slow)
    assert slow.cancelled()


async def test_a_task_that_fails_as_it_is_stopped_is_no_error_of_the_stopper() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    task = asyncio.ensure_future(fails())
    await asyncio.sleep(0)
    await stop(task)
    assert isinstance(task.exception(), LookupError)


async def test_works_are_told_of_as_they_end_also_those_that_fail() -> None:
    gates = {name: asyncio.Event() for name in "abc"}

    async def work(name: str) -> str:
        await gates[name].wait()
        if name == "b":
            raise LookupError
        return name.upper()

    told = []
    gates["c"].set()
    async for name, task in as_they_end([(name, work(name)) for name in gates]):
        told.append((name, (task.exception() and "failed") or task.result()))
        for following in {"c": "b", "b": "a"}.get(name, ""):
            gates[following].set()
    assert told == [("c", "C"), ("b", "failed"), ("a", "A")]


async def test_closing_the_stream_stops_the_rest() -> None:
    works = [Work(), Work()]
    stream = as_they_end([(0, works[0].run()), (1, works[1].run()), (2, asyncio.sleep(0))])
    assert (await anext(stream))[0] == 2
    await stream.aclose()
    assert [each.cleaned for each in works] == [True, True]
