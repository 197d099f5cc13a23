"""Whatever step of a generation never ends, and with it all that come after: the answer is there at the deadline."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import Services
from perkie_cli.domain import errors
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.result import Generated
from perkie_cli.domain.quotas.limits import QuotaLimits
from perkie_cli.emulators.gemini.plan import GeminiPlan
from tests.integration.pictures.test_gemini_outage import asking, check, drawn, serving
from tests.jumping_loop import LoopClock

pytestmark = pytest.mark.jumping

DEADLINE = 10.0
PARTS = ("workers", "io", "blobs", "documents")  # all that a generation waits for, besides the upstream


class Steps:
    """Counts the calls of the parts that it watches; those that ``hangs`` tells do not end until ``release``."""

    def __init__(self) -> None:
        self.begin(lambda *_: False)

    def begin(self, hangs: Callable[[int, str], bool]) -> None:
        """Anew, with another rule."""
        self.taken: list[str] = []
        self._hangs = hangs
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    def watched(self, services: Services) -> dict[str, Any]:
        return {name: _Watched(getattr(services, name), self) for name in PARTS}

    async def take(self, name: str) -> None:
        self.taken.append(name)
        if self._hangs(len(self.taken), name):
            await self._released.wait()


class _Watched:
    """A part whose asynchronous calls are steps."""

    def __init__(self, part: object, steps: Steps) -> None:
        self._part = part
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if name == "aclose" or not inspect.isroutine(value):
            return value
        if inspect.isasyncgenfunction(value):
            return functools.partial(self._stream, value)
        return functools.partial(self._call, value) if inspect.iscoroutinefunction(value) else value

    async def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        await self._steps.take(function.__name__)
        return await function(*args, **options)

    async def _stream(self, function: Callable[..., Any], *args: Any) -> AsyncIterator[Any]:
        await self._steps.take(function.__name__)
        async for each in function(*args):
            yield each


class Bench:
    """A service in which steps can be made to hang."""

    def __init__(self, services: Services, steps: Steps) -> None:
        self.steps = steps
        self._services = services
        self._seeds = itertools.count()

    async def draw(self, hangs: Callable[[int, str], bool]) -> tuple[list[str], object]:
        """The steps that were taken, and the picture or the error, which came in time."""
        self.steps.begin(hangs)
        clock, number = self._services.clock, next(self._seeds)
        owner = Owner.customer(str(number))
        request = asking(number, owner=owner, deadline=DEADLINE, charge=QuotaLimits(5, 3, 5, 30).charge(owner))
        began = clock.monotonic()
        async with asyncio.timeout(10 * DEADLINE):
            made = await drawn(self._services, request)
        assert clock.monotonic() - began <= DEADLINE + 1, self.steps.taken
        taken = list(self.steps.taken)
        self.steps.release()
        await clock.sleep(1)  # what was left behind ends
        return taken, made


@pytest.fixture(params=["drawn", "degraded"])
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    steps = Steps()
    async with serving(tmp_path, LoopClock(), replaced=steps.watched) as (services, emulator):
        if request.param == "degraded":
            emulator.plan = GeminiPlan.parse({"fault": [{"kind": "error", "status": 404}]})
        yield Bench(services, steps)


def _from(first: int, number: int, _: str) -> bool:
    return number >= first


async def test_no_step_outlives_the_deadline(bench: Bench) -> None:
    steps, made = await bench.draw(lambda *_: False)
    assert isinstance(made, Generated)
    assert {"run", "get", "put", "update", "read"} <= set(steps)
    for stuck in range(1, len(steps) + 1):
        _, made = await bench.draw(partial(_from, stuck))
        assert isinstance(made, Generated | errors.DeadlineExceeded)


@pytest.mark.parametrize("step", ["put", "read"])
async def test_what_comes_after_the_drawing_costs_no_picture(bench: Bench, step: str) -> None:
    steps, made = await bench.draw(lambda _, name: name == step)
    assert step in steps
    assert isinstance(made, Generated)
    check(made)
