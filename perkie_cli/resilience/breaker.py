"""A circuit breaker: blocks calls to a failing upstream, and lets single probes test whether it works again.

::

    closed ──(5 faults in a row, or half of a window's calls bad)──▶ open ──(open time over)──▶ half open
       ▲                                                              ▲                            │
       └──────────────(2 probes answered)─────────────────────────────┼──(a probe failed: doubled)─┘

Nothing is locked during a call: the call takes a permit and reports its result with it. A permit belongs to the state
in which it was issued; reports after the end of that state are ignored.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from enum import StrEnum

from perkie_cli.domain.errors import BreakerOpen
from perkie_cli.domain.events import BreakerChanged, NoEvents
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock, EventSink, NextProbe


class BreakerState(StrEnum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What a finished call says about the upstream's health."""

    GOOD = "good"  # it answered, even if it refused
    FAULT = "fault"  # it failed
    NONE = "none"  # cancelled or never sent: says nothing


@frozen
class BreakerPolicy:
    """Thresholds of a breaker; times are in seconds."""

    consecutive: int = 5
    window: float = 60.0
    least_calls: int = 10
    bad_share: float = 0.5
    slow_after: float = 30.0
    open_for: float = 60.0
    max_open_for: float = 600.0
    probes_to_close: int = 2
    probe_lease: float = 60.0  # a probe without a report by then counts as lost


@frozen
class Permit:
    """The right to make one call."""

    epoch: int
    probe: bool
    begun: float


@frozen
class BreakerStatus:
    """The visible state; ``retry_after`` is in seconds, 0 when calls pass."""

    state: BreakerState
    retry_after: float
    consecutive_faults: int
    open_for: float


class Breaker:
    """The circuit breaker of one upstream."""

    def __init__(
        self, upstream: str, clock: Clock, policy: BreakerPolicy | None = None, events: EventSink | None = None
    ) -> None:
        self.upstream = upstream
        self._clock = clock
        self._policy = policy or BreakerPolicy()
        self._events = events or NoEvents()
        self._state = BreakerState.CLOSED
        self._epoch = 0
        self._faults = 0
        self._window: deque[tuple[float, bool]] = deque()
        self._open_for = self._policy.open_for
        self._open_until = 0.0
        self._probe_until: float | None = None  # end of the lease of the current probe
        self._probes_answered = 0

    def acquire(self) -> Permit:
        """Issues a permit for one call.

        Raises: BreakerOpen, with the seconds until a probe may pass.
        """
        now = self._clock.monotonic()
        if self._state is BreakerState.OPEN and now >= self._open_until:
            self._enter(BreakerState.HALF_OPEN)
        if self._state is BreakerState.HALF_OPEN and self._probe_until is not None and now >= self._probe_until:
            self._open(self._open_for)
        if self._state is BreakerState.CLOSED:
            return Permit(self._epoch, probe=False, begun=now)
        self.check()
        self._probe_until = now + self._policy.probe_lease
        return Permit(self._epoch, probe=True, begun=now)

    def check(self) -> None:
        """Checks whether a call would pass, without changing anything. Raises: BreakerOpen."""
        wait = self._retry_after(self._clock.monotonic())
        if wait > 0:
            raise BreakerOpen(
                f"{self.upstream} keeps failing, so it is not called for now",
                hint=f"Try again in {format_duration(wait)}.",
                retry_after=wait,
            )

    def next_probe(self) -> NextProbe | None:
        """When the next call may pass, as a probe; None: all calls pass."""
        if self._state is BreakerState.CLOSED:
            return None
        wait = self._retry_after(self._clock.monotonic())
        return NextProbe(self._state.value, self._clock.now() + timedelta(seconds=wait), wait)

    def check_closed(self) -> None:
        """Checks that all calls pass. Raises: BreakerOpen."""
        if (probe := self.next_probe()) is None:
            return
        passes = f"passes at {probe.at:%H:%M:%S} UTC, in {probe.wait:.0f} s" if probe.wait else "may pass"
        raise BreakerOpen(
            f"{self.upstream} keeps failing, and its breaker is not closed yet; the next probe {passes}",
            hint="A probe is a customer's request. After a restart the server calls at once.",
            retry_after=probe.wait,
        )

    def report(self, permit: Permit, verdict: Verdict, seconds: float | None = None) -> None:
        """Reports the result of a permitted call; exactly once per permit.

        ``seconds``: the upstream's part of it; None: it lasted until now.
        """
        if permit.epoch != self._epoch:
            return
        if permit.probe:
            self._report_probe(verdict)
        elif verdict is not Verdict.NONE:
            now = self._clock.monotonic()
            self._report_call(now, verdict, now - permit.begun if seconds is None else seconds)

    def status(self) -> BreakerStatus:
        """The current state, without changing it."""
        return BreakerStatus(self._state, self._retry_after(self._clock.monotonic()), self._faults, self._open_for)

    def _report_probe(self, verdict: Verdict) -> None:
        self._probe_until = None
        if verdict is Verdict.GOOD:
            self._probes_answered += 1
            if self._probes_answered >= self._policy.probes_to_close:
                self._open_for = self._policy.open_for
                self._enter(BreakerState.CLOSED)
        elif verdict is Verdict.FAULT:
            self._open(min(2 * self._open_for, self._policy.max_open_for))
        else:
            self._open(self._open_for)  # still at most one probe per period

    def _report_call(self, now: float, verdict: Verdict, seconds: float) -> None:
        fault = verdict is Verdict.FAULT
        self._faults = self._faults + 1 if fault else 0
        self._window.append((now, fault or seconds > self._policy.slow_after))
        while self._window[0][0] <= now - self._policy.window:
            self._window.popleft()
        if self._faults >= self._policy.consecutive or self._window_is_bad():
            self._open(self._policy.open_for)

    def _window_is_bad(self) -> bool:
        calls, bad = len(self._window), sum(bad for _, bad in self._window)
        return calls >= self._policy.least_calls and bad >= calls * self._policy.bad_share

    def _open(self, seconds: float) -> None:
        self._open_for = seconds
        self._open_until = self._clock.monotonic() + seconds
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        previous, self._state = self._state, state
        self._epoch += 1
        self._faults = 0
        self._window.clear()
        self._probe_until = None
        self._probes_answered = 0
        self._events.emit(BreakerChanged(self.upstream, previous.value, state.value, self._open_for))

    def _retry_after(self, now: float) -> float:
        if self._state is BreakerState.OPEN:
            return max(0.0, self._open_until - now)
        if self._probe_until is not None:
            return max(0.0, self._probe_until - now)
        return 0.0
