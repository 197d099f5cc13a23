"""The guard: how retries, breaker, limits and deadline work together around one call."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from perkie_cli.domain import errors
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.events import UpstreamCalled, UpstreamRetried, UpstreamSpared
from perkie_cli.resilience.breaker import Breaker, BreakerState
from perkie_cli.resilience.guard import Attempt, Guard
from perkie_cli.resilience.retry import TimeRules
from perkie_cli.resilience.retry_budget import RetryBudget
from perkie_cli.resilience.upstream_limits import UpstreamLimits, UpstreamPolicy
from perkie_cli.system.waiting import within
from tests.clock import VirtualClock
from tests.events import Recorder


@dataclass
class Upstream:
    """Plays a script: an error is raised, a number is a time to take, after which it answers; then it answers."""

    clock: VirtualClock
    script: Iterator[errors.PerkieError | float]
    attempts: list[Attempt] = field(default_factory=list)
    cancelled: int = 0
    before: float = 0.0  # seconds of our own work
    after: float = 0.0

    async def __call__(self, attempt: Attempt) -> str:
        await self.clock.sleep(self.before)
        async with attempt.sending():
            answer = await self._answer(attempt)
        await self.clock.sleep(self.after)
        return answer

    async def _answer(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        step = next(self.script, 0.0)
        if isinstance(step, errors.PerkieError):
            await self.clock.sleep(0.2)
            raise step
        try:
            await self.clock.sleep(step)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "picture"


class Bench:
    """A guard with all its parts on one virtual clock."""

    def __init__(self, *script: errors.PerkieError | float, **policy: Any) -> None:
        self.clock = VirtualClock()
        self.events = Recorder()
        self.upstream = Upstream(self.clock, iter(script))
        self.breaker = Breaker("gemini", self.clock)
        self.retry_budget = RetryBudget(self.clock)
        rng = random.Random(policy.pop("seed", 5))
        self.guard = Guard(
            clock=self.clock,
            rng=rng,
            breaker=self.breaker,
            limits=UpstreamLimits("gemini", self.clock, rng, UpstreamPolicy(**policy)),
            retry_budget=self.retry_budget,
            times=TimeRules(),
            events=self.events,
        )

    async def run(self, seconds: float | None = 50.0, *, wait_for_quota: bool = False) -> str:
        deadline = Deadline.after(seconds, self.clock.monotonic())
        return await self.clock.drive(self.guard.run(self.upstream, deadline, wait_for_quota=wait_for_quota))

    @property
    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.events.events if isinstance(event, UpstreamCalled)]

    @property
    def spared(self) -> list[str]:
        return [event.reason for event in self.events.events if isinstance(event, UpstreamSpared)]


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (errors.UpstreamFault("x"), 3),
        (errors.UpstreamBroken("x"), 2),
        (errors.BadAnswer("x"), 2),
        (errors.SafetyBlock("x"), 2),
        (errors.UpstreamOverloaded("x", retry_after=2), 2),
        (errors.UpstreamOverloaded("x"), 2),
        (errors.Blocked("x"), 1),
        (errors.WrongCredentials("x"), 1),
    ],
)
async def test_as_often_as_the_table_says(error: errors.PerkieError, attempts: int) -> None:
    bench = Bench(*[error] * 5)
    with pytest.raises(type(error)):
        await bench.run()
    assert [a.number for a in bench.upstream.attempts] == list(range(1, attempts + 1))
    assert bench.outcomes == [error.code] * attempts


async def test_a_budget_that_is_spent_ends_it_without_a_call() -> None:
    bench = Bench(errors.BudgetExceeded("x"))
    with pytest.raises(errors.BudgetExceeded):
        await bench.run()
    assert (len(bench.upstream.attempts), bench.outcomes) == (1, [])


async def test_a_safety_block_is_asked_again_with_the_safe_prompt() -> None:
    bench = Bench(errors.SafetyBlock("x"), errors.UpstreamFault("x"))
    assert await bench.run() == "picture"
    assert [a.safe for a in bench.upstream.attempts] == [False, True, True]


async def test_a_hanging_upstream_is_cancelled_and_leaves_no_time_for_a_retry() -> None:
    bench = Bench(1000.0)
    started = bench.clock.monotonic()
    with pytest.raises(errors.UpstreamTimeout):
        await bench.run()
    assert bench.clock.monotonic() - started == 40
    assert bench.upstream.cancelled == 1
    assert bench.guard.limits.running == 0


async def test_a_slow_failure_leaves_room_for_one_retry() -> None:
    bench = Bench(1000.0, 1000.0, 1000.0)
    with pytest.raises(errors.UpstreamTimeout):
        await bench.run(seconds=24.0)  # attempts get 21 s
    assert len(bench.upstream.attempts) == 1
    bench = Bench(errors.UpstreamFault("x"), 1000.0)
    started = bench.clock.monotonic()
    with pytest.raises(errors.UpstreamTimeout):
        await bench.run()
    assert 40 < bench.clock.monotonic() - started <= 47
    assert len(bench.upstream.attempts) == 2


async def test_no_time_is_no_call_and_no_fault() -> None:
    bench = Bench()
    with pytest.raises(errors.DeadlineExceeded):
        await bench.run(seconds=0.0)
    assert bench.upstream.attempts == []
    assert bench.breaker.status().consecutive_faults == 0


async def test_when_our_own_work_has_used_up_the_time_nothing_is_sent_and_nobody_is_blamed() -> None:
    bench = Bench()
    bench.upstream.before = 45.0
    for _ in range(20):
        with pytest.raises(errors.DeadlineExceeded, match="too little was left to ask gemini"):
            await bench.run()
    assert bench.upstream.attempts == []
    assert bench.outcomes == []
    assert bench.breaker.status().consecutive_faults == 0


async def test_our_own_work_that_never_ends_is_cut_in_time_for_a_substitute() -> None:
    bench = Bench()
    bench.upstream.before = 1000.0
    started = bench.clock.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        await bench.run()
    assert bench.clock.monotonic() - started == 47
    assert bench.outcomes == []


@pytest.mark.parametrize(("before", "state"), [(30.0, BreakerState.CLOSED), (5.0, BreakerState.OPEN)])
async def test_a_timeout_is_no_fault_where_our_own_work_took_more_of_the_time(
    before: float, state: BreakerState
) -> None:
    bench = Bench(*[1000.0] * 5)
    bench.upstream.before = before
    for _ in range(5):
        with pytest.raises(errors.UpstreamTimeout):
            await bench.run()
    assert len(bench.upstream.attempts) == 5
    assert bench.breaker.status().state is state


async def test_our_own_queues_before_and_after_the_call_do_not_make_the_upstream_slow() -> None:
    bench = Bench()
    bench.upstream.before, bench.upstream.after = 20.0, 25.0
    for _ in range(20):
        assert await bench.run() == "picture"
    assert bench.breaker.status().state is BreakerState.CLOSED
    calls = [event for event in bench.events.events if isinstance(event, UpstreamCalled)]
    assert {call.seconds for call in calls} == {0.0}


async def test_an_answer_that_was_paid_for_is_not_given_up_while_it_is_decoded() -> None:
    bench = Bench(30.0)
    bench.upstream.after = 100.0
    assert await bench.run() == "picture"


async def in_turn(bench: Bench) -> list[str]:
    """Two calls, the second five seconds after the first."""
    deadline = Deadline.after(50, bench.clock.monotonic())

    async def later() -> str:
        await bench.clock.sleep(5.0)
        return await bench.guard.run(bench.upstream, deadline)

    async def both() -> list[str]:
        return list(await asyncio.gather(bench.guard.run(bench.upstream, deadline), later()))

    return await bench.clock.drive(both())


async def test_our_own_work_takes_no_place_among_the_calls() -> None:
    bench = Bench(1.0, 1.0, concurrent=1)
    bench.upstream.before = bench.upstream.after = 10.0
    assert await in_turn(bench) == ["picture"] * 2


async def test_our_own_work_before_a_probe_does_not_keep_others_from_probing() -> None:
    bench = Bench(*[errors.UpstreamFault("x")] * 5)
    while bench.breaker.status().state is not BreakerState.OPEN:
        with pytest.raises(errors.UpstreamFault):
            await bench.run()
    bench.clock.advance(60)
    bench.upstream.before = 10.0
    assert await in_turn(bench) == ["picture"] * 2
    assert bench.breaker.status().state is BreakerState.CLOSED


async def test_the_breaker_opens_and_only_probes_pass() -> None:
    bench = Bench(*[errors.UpstreamFault("x")] * 40)
    for _ in range(2):
        with pytest.raises(errors.UpstreamFault):
            await bench.run()
    assert bench.breaker.status().state is BreakerState.OPEN
    assert len(bench.upstream.attempts) == 5, "the breaker counts attempts, and ends a retry under way"
    with pytest.raises(errors.BreakerOpen):
        await bench.run()
    bench.clock.advance(60)
    with pytest.raises(errors.UpstreamFault):
        await bench.run()
    assert len(bench.upstream.attempts) == 6, "a probe is not retried"


async def test_a_probe_is_not_retried_even_when_the_breaker_would_let_it() -> None:
    bench = Bench(*[errors.UpstreamFault("x")] * 5, errors.SafetyBlock("x"))
    while bench.breaker.status().state is not BreakerState.OPEN:
        with pytest.raises(errors.UpstreamFault):
            await bench.run()
    bench.clock.advance(60)
    with pytest.raises(errors.SafetyBlock):
        await bench.run()
    assert len(bench.upstream.attempts) == 6


@pytest.mark.parametrize("error", [errors.SafetyBlock("x"), errors.UpstreamRefused("x"), errors.WrongCredentials("x")])
async def test_answers_are_no_faults(error: errors.PerkieError) -> None:
    bench = Bench(*[error] * 60)
    for _ in range(20):
        with pytest.raises(type(error)):
            await bench.run()
    assert bench.breaker.status().state is BreakerState.CLOSED


async def test_a_budget_that_forbids_the_retry_leaves_the_first_error() -> None:
    bench = Bench(errors.UpstreamFault("the cause"), errors.BudgetExceeded("no money"))
    with pytest.raises(errors.UpstreamFault, match="the cause"):
        await bench.run()


async def test_retries_end_with_the_retry_budget() -> None:
    bench = Bench(*[errors.BadAnswer("x")] * 100)
    for _ in range(4):  # 4 calls fail twice each, 4 tokens are spent; the breaker is kept shut by answers in between
        with pytest.raises(errors.BadAnswer):
            await bench.run()
        bench.guard.breaker = Breaker("gemini", bench.clock)
    while bench.retry_budget.withdraw():
        pass
    before = len(bench.upstream.attempts)
    with pytest.raises(errors.BadAnswer):
        await bench.run()
    assert len(bench.upstream.attempts) == before + 1


async def test_at_capacity_nothing_is_sent() -> None:
    bench = Bench(per_day=1)
    assert await bench.run() == "picture"
    with pytest.raises(errors.AtCapacity) as refused:
        await bench.run()
    assert refused.value.retry_after is not None
    assert len(bench.upstream.attempts) == 1
    assert bench.outcomes == ["ok"], "what was not sent is no call"


async def test_a_retry_says_which_what_and_how_long() -> None:
    bench = Bench(errors.UpstreamFault("first"), errors.UpstreamTimeout("second"))
    assert await bench.run() == "picture"
    first, second = (event for event in bench.events.events if isinstance(event, UpstreamRetried))
    assert (first.attempt, first.waited, first.cause, first.reason) == (1, 0.0, "first", "upstream_fault")
    assert (second.attempt, second.waited, second.cause) == (2, first.wait, "second")


@pytest.mark.parametrize("seed", range(10))
async def test_the_retry_that_the_upstream_promised_is_not_thinned_out(seed: int) -> None:
    bench = Bench(
        errors.UpstreamOverloaded("x", retry_after=2.5), seed=seed
    )  # the chance by which calls are thinned out
    assert await bench.run() == "picture"


async def test_who_is_patient_waits_for_quotas_as_often_as_it_takes() -> None:
    bench = Bench(*[errors.UpstreamOverloaded("x", retry_after=50.0)] * 8)
    began = bench.clock.monotonic()
    assert await bench.run(None, wait_for_quota=True) == "picture"
    assert 8 * 50 <= bench.clock.monotonic() - began < 8 * 52
    assert [each.number for each in bench.upstream.attempts] == list(range(1, 10))


async def test_patience_ends_after_ten_minutes() -> None:
    for error, least in (
        (errors.UpstreamOverloaded("x", retry_after=50.0), 500),
        (errors.UpstreamOverloaded("x"), 300),
    ):
        bench = Bench(*[error] * 100)
        began = bench.clock.monotonic()
        with pytest.raises(errors.UpstreamOverloaded):
            await bench.run(None, wait_for_quota=True)
        assert least < bench.clock.monotonic() - began <= 610


async def test_patience_does_not_outlast_the_deadline() -> None:
    bench = Bench(*[errors.UpstreamOverloaded("x", retry_after=5.0)] * 100)
    began = bench.clock.monotonic()
    with pytest.raises(errors.UpstreamOverloaded):
        await bench.run(50.0, wait_for_quota=True)
    assert bench.clock.monotonic() - began <= 40


async def test_who_is_patient_waits_for_our_own_limits_too() -> None:
    bench = Bench(per_minute=1)
    for _ in range(4):
        assert await bench.run(None, wait_for_quota=True) == "picture"
    assert bench.outcomes == ["ok"] * 4
    assert 180 <= bench.clock.monotonic() - 1000 < 190


async def test_other_faults_are_not_waited_for_longer_by_who_is_patient() -> None:
    bench = Bench(*[errors.UpstreamBroken("x")] * 5)
    with pytest.raises(errors.UpstreamBroken):
        await bench.run(None, wait_for_quota=True)
    assert len(bench.upstream.attempts) == 2


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.WrongCredentials("x", hint="h"), 60),
        (errors.UpstreamExhausted("x", retry_after=30.0), 30),
        (errors.UpstreamExhausted("x", retry_after=30_000.0), 600),
    ],
)
async def test_a_lasting_refusal_is_remembered_for_a_while(error: errors.PerkieError, seconds: float) -> None:
    bench = Bench(error)
    with pytest.raises(type(error)):
        await bench.run()
    bench.clock.advance(seconds - 1)
    with pytest.raises(type(error), match="x") as again:
        await bench.run()
    with pytest.raises(type(error)):
        bench.guard.check_health()
    assert again.value.hint == error.hint
    assert again.value.retry_after == (error.retry_after and error.retry_after - (seconds - 1))
    assert bench.outcomes == [error.code], "nothing more was sent"
    assert bench.spared == [error.code]
    bench.clock.advance(2)
    bench.guard.check_health()
    assert await bench.run() == "picture"


@pytest.mark.parametrize("kind", [errors.InvalidSetting, errors.MissingCredentials, errors.MissingExtra])
async def test_what_ends_before_the_wire_is_no_call(kind: type[errors.PerkieError]) -> None:
    bench = Bench(kind("x"))
    with pytest.raises(kind):
        await bench.run()
    assert bench.outcomes == []


@pytest.mark.parametrize("kind", [errors.UpstreamOverloaded, errors.UpstreamExhausted, errors.UnexpectedAnswer])
async def test_quotas_and_our_own_faults_open_no_breaker(kind: type[errors.PerkieError]) -> None:
    bench = Bench(*[kind("x")] * 60)
    for _ in range(12):
        with pytest.raises((kind, errors.AtCapacity)):
            await bench.run()
        bench.clock.advance(1)
    assert bench.breaker.status().state is BreakerState.CLOSED


async def test_a_cancelled_call_gives_everything_back() -> None:
    bench = Bench(1000.0)
    deadline = Deadline.after(50, bench.clock.monotonic())
    task = asyncio.create_task(bench.guard.run(bench.upstream, deadline))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.guard.limits.running == 0
    assert bench.outcomes == ["cancelled"]
    assert bench.breaker.status().consecutive_faults == 0


async def test_a_timeout_of_the_work_itself_is_not_taken_for_the_deadline() -> None:
    clock = VirtualClock()

    async def work() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await clock.drive(within(Deadline.after(5, clock.monotonic()), clock, work()))


async def test_the_deadline_cancels_for_real() -> None:
    clock = VirtualClock()
    ended: list[str] = []

    async def work() -> None:
        try:
            await clock.sleep(100)
        finally:
            ended.append("cleaned up")

    with pytest.raises(errors.DeadlineExceeded):
        await clock.drive(within(Deadline.after(5, clock.monotonic()), clock, work()))
    assert ended == ["cleaned up"]
    assert clock.monotonic() == 1005.0


async def test_whoever_cancels_sees_the_cleanup_through() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.set()

    task = asyncio.create_task(within(Deadline.never(), VirtualClock(), work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_no_complaint_follows_of_work_that_fails_once_nobody_waits() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at cleaning up")

    task = asyncio.create_task(within(Deadline.never(), VirtualClock(), work()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()
    assert complaints == []
