"""The circuit breaker: each rule by itself, then all of them as a state machine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from perkie_cli.domain.errors import BreakerOpen
from perkie_cli.domain.events import BreakerChanged
from perkie_cli.ports import NextProbe
from perkie_cli.resilience.breaker import Breaker, BreakerState, Permit, Verdict
from tests.clock import VirtualClock
from tests.events import Recorder


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def breaker(clock: VirtualClock) -> Breaker:
    return Breaker("gemini", clock)


def call(breaker: Breaker, verdict: Verdict) -> None:
    breaker.report(breaker.acquire(), verdict)


def trip(breaker: Breaker) -> None:
    for _ in range(5):
        call(breaker, Verdict.FAULT)
    assert breaker.status().state is BreakerState.OPEN


def test_five_faults_in_a_row_open_it(breaker: Breaker) -> None:
    for verdict in [Verdict.FAULT] * 4 + [Verdict.GOOD] + [Verdict.FAULT] * 4:
        call(breaker, verdict)
        assert breaker.status().state is BreakerState.CLOSED
    call(breaker, Verdict.FAULT)
    with pytest.raises(BreakerOpen) as refused:
        breaker.acquire()
    assert refused.value.retry_after == 60.0


def test_half_of_ten_calls_in_a_minute_open_it(breaker: Breaker, clock: VirtualClock) -> None:
    for _ in range(9):  # these are forgotten
        call(breaker, Verdict.GOOD)
    clock.advance(61)
    for index in range(9):
        call(breaker, Verdict.FAULT if index % 2 else Verdict.GOOD)
    assert breaker.status().state is BreakerState.CLOSED
    call(breaker, Verdict.FAULT)
    assert breaker.status().state is BreakerState.OPEN


def test_slow_answers_count_as_bad(breaker: Breaker, clock: VirtualClock) -> None:
    for _ in range(5):
        permits = [breaker.acquire() for _ in range(2)]
        clock.advance(1)
        breaker.report(permits[0], Verdict.GOOD)
        clock.advance(7)
        breaker.report(permits[1], Verdict.GOOD)
    assert breaker.status().state is BreakerState.CLOSED
    permits = [breaker.acquire() for _ in range(10)]
    clock.advance(31)
    for permit in permits:
        breaker.report(permit, Verdict.GOOD)
    assert breaker.status().state is BreakerState.OPEN


def test_one_probe_a_period_and_two_good_ones_close_it(breaker: Breaker, clock: VirtualClock) -> None:
    trip(breaker)
    clock.advance(60)
    probe = breaker.acquire()
    assert probe.probe
    with pytest.raises(BreakerOpen):
        breaker.acquire()
    breaker.report(probe, Verdict.GOOD)
    assert breaker.status().state is BreakerState.HALF_OPEN
    call(breaker, Verdict.GOOD)
    assert breaker.status().state is BreakerState.CLOSED
    assert not breaker.acquire().probe


def test_failed_probes_double_the_open_time_up_to_ten_minutes(breaker: Breaker, clock: VirtualClock) -> None:
    trip(breaker)
    for expected in (120, 240, 480, 600, 600):
        clock.advance(breaker.status().retry_after)
        call(breaker, Verdict.FAULT)
        assert breaker.status().retry_after == expected


def test_the_open_time_is_forgotten_once_closed(breaker: Breaker, clock: VirtualClock) -> None:
    trip(breaker)
    clock.advance(60)
    call(breaker, Verdict.FAULT)
    clock.advance(120)
    call(breaker, Verdict.GOOD)
    call(breaker, Verdict.GOOD)
    assert breaker.status().open_for == 60
    trip(breaker)
    assert breaker.status().retry_after == 60


@pytest.mark.parametrize("end", ["cancelled", "died"])
def test_a_lost_probe_blocks_nothing_for_ever(breaker: Breaker, clock: VirtualClock, end: str) -> None:
    trip(breaker)
    clock.advance(60)
    probe = breaker.acquire()
    if end == "cancelled":
        breaker.report(probe, Verdict.NONE)
    else:
        clock.advance(60)  # its lease
    with pytest.raises(BreakerOpen):
        breaker.acquire()
    clock.advance(60)
    assert breaker.acquire().probe


def test_a_call_begun_before_the_opening_cannot_extend_it(breaker: Breaker, clock: VirtualClock) -> None:
    late = [breaker.acquire() for _ in range(20)]
    trip(breaker)
    clock.advance(59)
    for permit in late:
        breaker.report(permit, Verdict.FAULT)
    assert breaker.status().retry_after == 1


def bad_and_good(breaker: Breaker, bad: int, good: int) -> None:
    """Never so many faults in a row that these alone would open it."""
    for index in range(max(bad, good)):
        for verdict in [Verdict.FAULT] * (index < bad) + [Verdict.GOOD] * (index < good):
            call(breaker, verdict)


def test_what_tells_nothing_does_not_end_a_row_of_faults(breaker: Breaker) -> None:
    """A 429 or a cancelled call between the faults of an outage."""
    for verdict in [Verdict.FAULT] * 4 + [Verdict.NONE] * 3:
        call(breaker, verdict)
    assert breaker.status().state is BreakerState.CLOSED
    call(breaker, Verdict.FAULT)
    assert breaker.status().state is BreakerState.OPEN


def test_what_tells_nothing_neither_fills_nor_thins_the_window(breaker: Breaker) -> None:
    bad_and_good(breaker, bad=4, good=4)
    for _ in range(40):
        call(breaker, Verdict.NONE)
    assert breaker.status().state is BreakerState.CLOSED, "8 calls that told something are no 10"
    call(breaker, Verdict.GOOD)
    call(breaker, Verdict.FAULT)
    assert breaker.status().state is BreakerState.OPEN, "5 of 10, whatever else was asked"


def test_a_failed_probe_between_two_good_ones_takes_the_first_back(breaker: Breaker, clock: VirtualClock) -> None:
    trip(breaker)
    for verdict, seconds in ((Verdict.GOOD, 60), (Verdict.FAULT, 0), (Verdict.GOOD, 120)):
        clock.advance(seconds)
        call(breaker, verdict)
    assert breaker.status().state is BreakerState.HALF_OPEN
    call(breaker, Verdict.GOOD)
    assert breaker.status().state is BreakerState.CLOSED


def test_two_good_probes_of_two_periods_do_not_close_it(breaker: Breaker, clock: VirtualClock) -> None:
    """One that told nothing, such as a cancelled one, ends the period too."""
    trip(breaker)
    for verdict, seconds in ((Verdict.GOOD, 60), (Verdict.NONE, 0), (Verdict.GOOD, 60)):
        clock.advance(seconds)
        call(breaker, verdict)
    assert breaker.status().state is BreakerState.HALF_OPEN


@pytest.mark.parametrize(("seconds", "held"), [(40.0, True), (59.9, True), (60.0, False), (61.0, False)])
def test_a_probe_may_draw_as_long_as_an_attempt_may(
    breaker: Breaker, clock: VirtualClock, seconds: float, held: bool
) -> None:
    trip(breaker)
    clock.advance(60)
    probe = breaker.acquire()
    clock.advance(seconds)
    with pytest.raises(BreakerOpen):
        breaker.acquire()
    breaker.report(probe, Verdict.GOOD)
    assert (breaker.status().state is BreakerState.HALF_OPEN) is held


@pytest.mark.parametrize(("seconds", "state"), [(59.9, BreakerState.OPEN), (60.0, BreakerState.CLOSED)])
def test_a_minute_of_calls_is_looked_at(
    breaker: Breaker, clock: VirtualClock, seconds: float, state: BreakerState
) -> None:
    bad_and_good(breaker, bad=4, good=5)
    clock.advance(seconds)
    call(breaker, Verdict.FAULT)
    assert breaker.status().state is state


@pytest.mark.parametrize(("seconds", "state"), [(30.0, BreakerState.CLOSED), (30.1, BreakerState.OPEN)])
def test_slow_is_longer_than_half_a_minute(
    breaker: Breaker, clock: VirtualClock, seconds: float, state: BreakerState
) -> None:
    permits = [breaker.acquire() for _ in range(10)]
    clock.advance(seconds)
    for permit in permits:
        breaker.report(permit, Verdict.GOOD)
    assert breaker.status().state is state


@pytest.mark.parametrize(("good", "state"), [(5, BreakerState.OPEN), (6, BreakerState.CLOSED)])
def test_half_is_enough(breaker: Breaker, good: int, state: BreakerState) -> None:
    for _ in range(good - 4):
        call(breaker, Verdict.GOOD)
    for _ in range(4):
        call(breaker, Verdict.FAULT)
        call(breaker, Verdict.GOOD)
    assert breaker.status().state is BreakerState.CLOSED
    call(breaker, Verdict.FAULT)
    assert breaker.status().state is state


def test_looking_whether_it_is_open_changes_nothing(breaker: Breaker, clock: VirtualClock) -> None:
    breaker.check()
    trip(breaker)
    with pytest.raises(BreakerOpen):
        breaker.check()
    clock.advance(60)
    breaker.check()
    assert breaker.status().state is BreakerState.OPEN
    assert breaker.acquire().probe


def test_it_is_not_well_before_its_probes_have_succeeded_and_tells_when_the_next_one_passes(
    breaker: Breaker, clock: VirtualClock
) -> None:
    def said() -> str:
        with pytest.raises(BreakerOpen) as refused:
            breaker.check_closed()
        return refused.value.message

    breaker.check_closed()
    trip(breaker)
    opened = clock.now()
    assert breaker.next_probe() == NextProbe("open", opened + timedelta(seconds=60), 60)
    assert said().endswith(f"the next probe passes at {opened + timedelta(seconds=60):%H:%M:%S} UTC, in 60 s")
    clock.advance(60)
    assert said().endswith("the next probe may pass"), "the wait is over, and nothing was sent"
    breaker.report(breaker.acquire(), Verdict.GOOD)
    assert said().endswith("the next probe may pass"), "one of two"
    breaker.report(breaker.acquire(), Verdict.GOOD)
    breaker.check_closed()


def test_changes_are_told(clock: VirtualClock) -> None:
    recorder = Recorder()
    trip(Breaker("gemini", clock, events=recorder))
    assert recorder.events == [BreakerChanged("gemini", "closed", "open", 60.0)]


class BreakerMachine(RuleBasedStateMachine):
    """Any mix of calls, ends and time: the invariants of the breaker hold."""

    permits: Bundle[Permit] = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.recorder = Recorder()
        self.breaker = Breaker("gemini", self.clock, events=self.recorder)
        self.probes: set[Permit] = set()
        self.last_probe = -1e9
        self.last_verdict_was_good = False

    @rule(target=permits)
    def begin(self) -> Permit:
        before = self.breaker.status()
        now = self.clock.monotonic()
        try:
            permit = self.breaker.acquire()
        except BreakerOpen as refused:
            assert before.state is not BreakerState.CLOSED
            assert refused.retry_after is not None
            assert 0 < refused.retry_after <= 600
            return Permit(-1, probe=False, begun=now)
        assert permit.probe == (before.state is not BreakerState.CLOSED)
        if permit.probe:
            assert all(now >= other.begun + 60 for other in self.probes), "two probes at a time"
            assert now >= self.last_probe + 60 or self.last_verdict_was_good, "more than one probe a period"
            self.probes.add(permit)
            self.last_probe = now
        return permit

    @rule(permit=consumes(permits), verdict=st.sampled_from(Verdict))
    def end(self, permit: Permit, verdict: Verdict) -> None:
        before = self.breaker.status()
        self.breaker.report(permit, verdict)
        after = self.breaker.status()
        if before.state is BreakerState.OPEN:
            assert after == before, "a late result changed an open breaker"
        if permit in self.probes:
            self.probes.discard(permit)
            if permit.begun == self.last_probe:  # what an abandoned probe says later counts for nothing
                self.last_verdict_was_good = verdict is Verdict.GOOD

    @rule(seconds=st.sampled_from([0.5, 7.0, 31.0, 60.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.breaker.status().state is BreakerState.CLOSED)
    @rule()
    def five_faults_always_open_it(self) -> None:
        for _ in range(5):
            if self.breaker.status().state is BreakerState.CLOSED:
                call(self.breaker, Verdict.FAULT)
        assert self.breaker.status().state is BreakerState.OPEN

    @invariant()
    def waiting_always_helps(self) -> None:
        status = self.breaker.status()
        assert 0 <= status.retry_after <= 600
        assert 60 <= status.open_for <= 600


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
