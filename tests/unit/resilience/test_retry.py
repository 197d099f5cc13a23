"""The retry table, the rules of time, and the retry budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.domain import errors
from perkie_cli.domain.deadline import Deadline
from perkie_cli.resilience.pace import Pace
from perkie_cli.resilience.retry import TimeRules, wait_before_retry
from perkie_cli.resilience.retry_budget import RetryBudget
from tests.clock import VirtualClock

TIMES = TimeRules()


@pytest.mark.parametrize(
    ("error", "longest_waits"),
    [
        (errors.UpstreamTimeout("x"), [2, 5]),
        (errors.UpstreamFault("x"), [2, 5]),
        (errors.UpstreamBroken("x"), [5]),
        (errors.BadAnswer("x"), [5]),
        (errors.SafetyBlock("x"), [0]),
        (errors.UpstreamOverloaded("x", retry_after=13), [13]),
        (errors.UpstreamOverloaded("x", retry_after=41), []),
        (errors.UpstreamOverloaded("x"), [5]),
        (errors.UpstreamExhausted("x", retry_after=5), []),
        (errors.UnexpectedAnswer("x"), []),
        (errors.Blocked("x"), []),
        (errors.UpstreamRefused("x"), []),
        (errors.WrongCredentials("x"), []),
        (errors.BadInput("x"), []),
        (errors.BudgetExceeded("x"), []),
    ],
    ids=lambda value: value.code if isinstance(value, errors.PerkieError) else "",
)
def test_the_table(error: errors.PerkieError, longest_waits: list[float]) -> None:
    rng = random.Random(1)
    for failed, longest in enumerate(longest_waits, start=1):
        drawn = [wait_before_retry(error, failed, 40.0, rng) for _ in range(500)]
        waits = [wait for wait in drawn if wait is not None]
        assert len(waits) == 500
        assert max(waits) <= longest
        assert max(waits) >= longest * 0.9
        if error.retry_after is None:
            assert min(waits) <= longest * 0.1, "full jitter begins at nothing"
    assert wait_before_retry(error, len(longest_waits) + 1, 40.0, rng) is None


def test_attempts_end_before_the_ladder_needs_the_time() -> None:
    deadline = Deadline.after(50, now=0.0)
    assert TIMES.for_attempt(deadline, 0.0) == 40
    assert TIMES.for_attempt(deadline, 30.0) == 17
    assert TIMES.for_attempt(deadline, 48.0) == 0
    assert TIMES.for_attempt(Deadline.after(10, 0.0), 0.0) == 8  # a fifth is kept where 3 s would be too much
    assert TIMES.for_attempt(Deadline.never(), 0.0) == 40


def test_as_much_time_is_kept_as_the_substitute_lately_took() -> None:
    pace = Pace()
    times = TimeRules(substitute=pace)
    assert times.for_attempt(Deadline.after(12, 0.0), 0.0) == pytest.approx(9.6), "nothing is known yet"
    pace.took(3.0)
    assert times.for_attempt(Deadline.after(12, 0.0), 0.0) == 12 - 4.5
    pace.took(0.5)
    assert times.for_attempt(Deadline.after(12, 0.0), 0.0) == 12 - 4.5, "the longest of the last ones counts"
    pace.took(30.0)
    assert times.for_attempt(Deadline.after(12, 0.0), 0.0) == 6, "no more than half of the deadline"
    for _ in range(8):
        pace.took(0.2)
    assert times.for_attempt(Deadline.after(12, 0.0), 0.0) == pytest.approx(9.6), "what is long ago is forgotten"
    assert times.for_attempt(Deadline.never(), 0.0) == 40


@pytest.mark.parametrize(("spent", "retries"), [(0.1, True), (36.9, True), (37.1, False), (40.0, False)])
def test_a_retry_needs_its_time(spent: float, retries: bool) -> None:
    longest = TIMES.longest_wait(Deadline.after(50, 0.0), spent)
    wait = wait_before_retry(errors.UpstreamFault("x"), 1, longest, random.Random(2))
    assert (wait is not None) is retries


def test_a_short_deadline_asks_for_a_third_of_itself() -> None:
    deadline = Deadline.after(6, 0.0)  # 1.2 s kept, 2 s needed for a retry
    assert TIMES.longest_wait(deadline, 2.7) == pytest.approx(0.1)
    assert TIMES.longest_wait(deadline, 2.9) < 0


def test_without_a_deadline_nobody_waits_an_hour() -> None:
    longest = TIMES.longest_wait(Deadline.never(), 0.0)
    rng = random.Random(3)
    assert wait_before_retry(errors.UpstreamOverloaded("x", retry_after=60), 1, longest, rng) == 60
    assert wait_before_retry(errors.UpstreamOverloaded("x", retry_after=61), 1, longest, rng) is None


@given(total=st.floats(0.5, 200), spent=st.floats(0, 200), seed=st.integers(0, 1000), failed=st.integers(1, 2))
def test_no_wait_eats_the_retry(total: float, spent: float, seed: int, failed: int) -> None:
    deadline = Deadline.after(total, 0.0)
    longest = TIMES.longest_wait(deadline, spent)
    wait = wait_before_retry(errors.UpstreamFault("x"), failed, longest, random.Random(seed))
    if wait is not None:
        assert TIMES.for_attempt(deadline, spent + wait) >= min(10.0, total / 3) - 1e-9


def test_the_floor_of_the_budget() -> None:
    clock = VirtualClock()
    budget = RetryBudget(clock)
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(30):
        clock.advance(6.01)
        assert budget.withdraw(), "never under 10 a minute"
    clock.advance(3600)
    assert sum(budget.withdraw() for _ in range(20)) == 10, "a quiet hour saves up no more than a minute"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=30))
def test_retries_stay_a_small_part_of_the_traffic(steps: list[tuple[float, int, int]]) -> None:
    clock = VirtualClock()
    budget = RetryBudget(clock)
    requests = granted = 0
    elapsed = 0.0
    for seconds, arriving, failing in steps:
        clock.advance(seconds)
        elapsed += seconds
        for _ in range(arriving):
            budget.deposit()
        requests += arriving
        granted += sum(budget.withdraw() for _ in range(failing))
        assert granted <= 10 + 0.1 * requests + elapsed * 10 / 60 + 1e-6


def test_in_a_steady_outage_a_tenth_is_retried() -> None:
    clock = VirtualClock()
    budget = RetryBudget(clock)
    granted = 0
    for _ in range(6000):  # 10 requests a second for 10 minutes, each asking for a retry
        clock.advance(0.1)
        budget.deposit()
        granted += budget.withdraw()
    assert 600 <= granted <= 615
