from __future__ import annotations

import asyncio
import threading

import pytest

from perkie_cli.system.waiting import finish_in_thread


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
