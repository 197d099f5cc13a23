"""The question whether an upstream can be reached: asked seldom, shared by all, never for long."""

from __future__ import annotations

import asyncio

import pytest

from perkie_cli.domain.errors import UpstreamFault, UpstreamTimeout
from perkie_cli.resilience.probe import AGAIN, FRESH, WITHIN, Probe
from tests.clock import ManualClock, VirtualClock


class Asked:
    def __init__(self) -> None:
        self.times = 0
        self.error: UpstreamFault | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> None:
        self.times += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error


async def test_one_answer_serves_everybody_for_a_while() -> None:
    asked, clock = Asked(), VirtualClock()
    probe = Probe("gemini", asked, clock)
    await asyncio.gather(*(probe.check() for _ in range(9)))
    clock.advance(FRESH - 1)
    await probe.check()
    assert asked.times == 1
    clock.advance(1)
    await probe.check()
    assert asked.times == 2


async def test_a_failure_is_told_to_all_and_asked_again_soon() -> None:
    asked, clock = Asked(), VirtualClock()
    asked.error = UpstreamFault("no connection")
    probe = Probe("gemini", asked, clock)
    for _ in range(3):
        with pytest.raises(UpstreamFault, match="no connection"):
            await probe.check()
    assert asked.times == 1
    asked.error = None
    clock.advance(AGAIN)
    await probe.check()
    assert asked.times == 2


async def test_who_leaves_early_does_not_stop_the_question() -> None:
    asked, clock = Asked(), VirtualClock()
    asked.gate.clear()
    probe = Probe("gemini", asked, clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await probe.check()
    asked.gate.set()
    await probe.check()
    assert asked.times == 1
    await probe.aclose()


async def test_an_upstream_that_hangs_is_given_up() -> None:
    asked, clock = Asked(), ManualClock()
    asked.gate.clear()
    probe = Probe("gemini", asked, clock)
    with pytest.raises(UpstreamTimeout, match="gemini did not answer within 10 s"):
        await probe.check()
    assert clock.slept == [WITHIN]
