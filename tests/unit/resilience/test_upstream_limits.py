"""Limits towards the upstream: minute, day, concurrency, and giving way to 429."""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from perkie_cli.domain.days import PACIFIC, next_midnight
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.resilience.upstream_limits import UpstreamLimits, UpstreamPolicy
from tests.clock import VirtualClock


def limits(clock: VirtualClock, **policy: Any) -> UpstreamLimits:
    return UpstreamLimits("gemini", clock, random.Random(3), UpstreamPolicy(**policy))


def take(limited: UpstreamLimits) -> None:
    with limited.slot():
        pass


@pytest.mark.parametrize("policy", [{"per_minute": 5}, {"tokens_per_minute": 59_999}], ids=["calls", "tokens"])
def test_a_minute(policy: dict[str, int]) -> None:
    clock = VirtualClock()
    limited = limits(clock, **policy)
    for _ in range(5):
        take(limited)
        clock.advance(2)
    with pytest.raises(AtCapacity) as refused:
        take(limited)
    assert refused.value.retry_after == 50
    clock.advance(50)
    take(limited)


def test_concurrency_is_given_back_whatever_happens() -> None:
    limited = limits(VirtualClock(), concurrent=3)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(limited.slot())
        with pytest.raises(AtCapacity):
            take(limited)
        assert limited.running == 3
    with pytest.raises(LookupError), limited.slot():
        raise LookupError
    assert limited.running == 0


def test_the_day_ends_at_midnight_in_california() -> None:
    clock = VirtualClock(datetime(2026, 11, 21, 7, 0, tzinfo=UTC))  # 23:00 the day before, in Los Angeles
    limited = limits(clock, per_day=2)
    take(limited)
    take(limited)
    with pytest.raises(AtCapacity) as refused:
        take(limited)
    assert refused.value.retry_after == 3600
    clock.advance(3600)
    take(limited)


def test_days_with_a_clock_change() -> None:
    spring = next_midnight(datetime(2026, 3, 8, 9, 0, tzinfo=UTC), PACIFIC)
    autumn = next_midnight(datetime(2026, 11, 1, 9, 0, tzinfo=UTC), PACIFIC)
    assert spring == datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
    assert autumn == datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def test_an_upstream_that_accepts_every_second_call_gets_them_all() -> None:
    limited = limits(VirtualClock())
    for number in range(100):
        take(limited)
        if number % 2:
            limited.overloaded()


def test_an_overloaded_upstream_gets_few_calls_and_comes_back() -> None:
    clock = VirtualClock()
    limited = limits(clock)
    sent = 0
    for _ in range(200):  # all refused with 429
        clock.advance(0.1)
        try:
            take(limited)
        except AtCapacity:
            continue
        sent += 1
        limited.overloaded()
    assert 1 <= sent < 30
    clock.advance(61)
    for _ in range(50):
        take(limited)


def test_a_refusal_that_came_late_does_not_outweigh_the_calls_of_its_minute() -> None:
    clock = VirtualClock()
    limited = limits(clock)
    with limited.slot():
        clock.advance(40)  # a slow 429: when its call is forgotten, it is not
        limited.overloaded()
    clock.advance(25)
    take(limited)


def test_where_every_place_is_taken_the_time_of_one_generation_is_named() -> None:
    limited = limits(VirtualClock(), concurrent=1)
    with limited.slot(), pytest.raises(AtCapacity, match="concurrent calls") as refused, limited.slot():
        pytest.fail("there is no place")
    assert refused.value.retry_after == 5.0
