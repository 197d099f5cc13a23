"""`perkie deploy canary` as a process, interrupted and killed at each step."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploying import SETTINGS, WAITING, a_shop
from tests.shipping import FIRST, Shop


@pytest.mark.parametrize(
    ("number", "percent", "then"),
    [
        (signal.SIGKILL, 0, "canary"),
        (signal.SIGINT, 10, "rollback"),
        *(
            pytest.param(number, percent, then, marks=pytest.mark.slow)
            for number in (signal.SIGINT, signal.SIGKILL)
            for percent in (0, 10, 50, 100)
            for then in ("canary", "rollback")
        ),
    ],
)
async def test_interrupted_or_killed_it_goes_on_or_back(
    tmp_path: Path, number: signal.Signals, percent: int, then: str
) -> None:
    held = SETTINGS.replace(*WAITING, 1).replace(
        "[canary]", f"[canary]\nsteps = {[percent, 100] if percent % 100 else [100]}"
    )
    async with a_shop(tmp_path, held, rollout=0.02 if percent else 1.0) as (its, perkie):
        process = await perkie.start("canary", "--yes")
        told = await until(process, "made" if percent == 0 else f"holding at {percent} %", its, percent)
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == (130 if number == signal.SIGINT else -9)
        if number == signal.SIGINT:
            assert "interrupted; the canary stays where it is" in told + err.decode()
            assert "--resume` goes on, `perkie deploy rollback --env production" in err.decode()
        (tmp_path / "deploy.toml").write_text(SETTINGS, "utf-8")
        _, err_text = await perkie.run(then, "--yes", *(["--resume"] if then == "canary" else []))
        expected = {FIRST: 100} if then == "rollback" else {(await its.state()).new: 100}
        assert its.split() == expected, err_text


async def holds(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # an emulator's state is no event
            await asyncio.sleep(0.01)


async def until(process: asyncio.subprocess.Process, line: str, its: Shop, percent: int) -> str:
    """What was said until that line; at 0 % until the update was accepted."""
    assert process.stderr is not None
    told = ""
    if percent == 0:
        await holds(lambda: len(its.cloud.emulator.state.revisions) == 2)
        return told
    while line not in told:
        read = await asyncio.wait_for(process.stderr.readline(), 60)
        assert read, told
        told += read.decode()
    return told
