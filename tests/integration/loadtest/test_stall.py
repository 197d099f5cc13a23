"""A server that stands still for a second in every ten: what is reported is what arrivals on schedule would meet."""

import asyncio
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from perkie_cli.loadtest.generator.choices import choices
from perkie_cli.loadtest.generator.connection import Connections
from perkie_cli.loadtest.generator.driver import TICK, Driver
from perkie_cli.loadtest.generator.schedule import arrivals
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.scenario import Phase, Spacing
from perkie_cli.loadtest.tally import Outcome
from tests.loadtest import drive, scenario, stalling, truth

FIGURES = (0.5, 0.95, 0.99, 0.999)  # p90 lies at the edge between the instant and the stalled


@pytest.mark.jumping
@pytest.mark.parametrize("spacing", [Spacing.EVEN, Spacing.POISSON])
async def test_percentiles_on_a_virtual_clock_are_those_of_the_schedule(spacing: Spacing) -> None:
    loop = asyncio.get_running_loop()
    found = scenario(phases=(Phase("steady", 60.0, rate=47.0),), spacing=spacing)
    begin = loop.time() + 5.0
    async with stalling(loop.time, begin) as url:
        tally = await drive(found, url, begin, loop.time)
    expected = truth(arrivals(found, 1)[0])
    series = tally.series()
    assert series.outcomes == {Outcome.OK: len(expected)}
    for share in FIGURES:
        exact = float(np.percentile(expected, share * 100, method="higher"))
        assert series.latency.quantile(share) == pytest.approx(exact, rel=0.02, abs=0.003)
    if spacing is Spacing.EVEN:
        promised = [series.latency.quantile(0.95), series.latency.quantile(0.99)]
        assert promised == pytest.approx([0.5, 0.9], abs=1 / 47), "one gap at most beside what a stall of 10 % means"


@pytest.mark.jumping
async def test_users_that_wait_for_their_answers_hardly_notice_a_stall() -> None:
    """Why the open model is the usual one: during a stall a closed loop sends nothing that could be slow."""
    loop = asyncio.get_running_loop()
    found = scenario(phases=(Phase("users", 50.0, users=10, think=0.05),))
    begin = loop.time() + 5.0
    async with stalling(loop.time, begin) as url:
        tally = await drive(found, url, begin, loop.time)
    assert (tally.series().latency.quantile(0.95) or 0.0) < 0.02
    assert (tally.series().latency.quantile(0.999) or 0.0) > 0.9


@pytest.mark.jumping
async def test_service_time_is_told_apart_from_latency_and_everything_is_counted() -> None:
    loop = asyncio.get_running_loop()
    found = scenario(phases=(Phase("steady", 30.0, rate=20.0),), max_in_flight=5, warm_up=9.0)
    begin = loop.time() + 5.0
    async with stalling(loop.time, begin - 0.01) as url:  # so that no arrival falls on the edge of a stall
        tally = await drive(found, url, begin, loop.time)
    judged = tally.series()
    assert tally.warm_up.meant + judged.meant == 600
    assert judged.outcomes[Outcome.SKIPPED] == 2 * 15, "20 arrive in each stall, and 5 may be in flight"
    assert judged.sent == judged.answered == judged.outcomes[Outcome.OK] == judged.meant - 30
    assert tally.warm_up.meant == 180


@pytest.mark.jumping
async def test_short_gaps_are_slept_over_and_nothing_is_sent_later_than_a_tick() -> None:
    """Waiting for each of them would keep a core busy, and the run would be invalid."""
    woken = 0

    class Counting(Driver):
        def _release(self, *arguments: object) -> None:
            nonlocal woken
            woken += 1
            super()._release(*arguments)  # type: ignore[arg-type]

    loop = asyncio.get_running_loop()
    found = scenario(phases=(Phase("steady", 1.0, rate=4000.0),))
    begin = loop.time() + 5.0
    async with stalling(loop.time, begin - 2.0) as url:
        target = urlsplit(url)
        connections = Connections(target, loop.time)
        messages = [Message(call, target, None, {}) for call in found.calls]
        driver = Counting(found, messages, choices(found, 1), connections, most=4000)
        await driver.run_open(begin, *arrivals(found, 1))
        await connections.aclose()
    assert driver.tally.series().outcomes == {Outcome.OK: 4000}
    assert woken <= 1002
    assert (driver.tally.generator.lag.quantile(1.0) or 0.0) <= TICK * 1.01


async def test_over_sockets_and_on_the_real_clock_it_is_nearly_the_same() -> None:
    found = scenario(phases=(Phase("steady", 6.0, rate=100.0),))
    begin = time.monotonic() + 0.2
    async with stalling(time.monotonic, begin, every=3.0) as url:
        tally = await drive(found, url, begin, time.monotonic)
    expected = truth(arrivals(found, 1)[0], every=3.0)
    for share in (0.9, 0.95, 0.99):
        assert tally.series().latency.quantile(share) == pytest.approx(np.percentile(expected, share * 100), abs=0.15)
