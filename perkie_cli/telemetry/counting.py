"""Events into metrics: what each kind of event adds to the measures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perkie_cli.domain.events import (
    Answered,
    Arrived,
    BreakerChanged,
    CacheLookup,
    CutoutEnded,
    Degraded,
    Event,
    PictureEnded,
    QueueChanged,
    QuotaUsed,
    RateRefused,
    Spent,
    Started,
    StoreFailed,
    UploadEnded,
    UpstreamCalled,
    UpstreamRetried,
    UpstreamSpared,
    WaitEnded,
    WorkRefused,
)
from perkie_cli.ports import Clock
from perkie_cli.telemetry.measures import Measures

_STATES = {"closed": 0, "half_open": 1, "open": 2}
_WITH_A_PICTURE = ("ok", "degraded")


class Counting:
    """An event sink that counts."""

    def __init__(self, measures: Measures, clock: Clock) -> None:
        self.measures = measures
        self.substitutes: deque[tuple[datetime, Degraded]] = deque(maxlen=20)  # the last ones, for /ops
        self._clock = clock
        self._breakers = Breakers(measures, clock)
        self._kinds: dict[type[Event], Callable[[Any], None]] = {
            Started: self._started,
            Arrived: self._arrived,
            Answered: self._answered,
            PictureEnded: self._picture,
            CutoutEnded: self._cutout,
            Degraded: self._degraded,
            CacheLookup: self._looked_up,
            UpstreamCalled: self._called,
            UpstreamSpared: self._spared,
            UpstreamRetried: self._retried,
            Spent: self._spent,
            BreakerChanged: self._breakers.changed,
            QuotaUsed: self._quota,
            RateRefused: self._rate,
            StoreFailed: self._store,
            UploadEnded: self._upload,
            QueueChanged: self._queue,
            WaitEnded: self._waited,
            WorkRefused: self._refused,
        }

    @property
    def counted(self) -> frozenset[type[Event]]:
        """The kinds of events that metrics are made of."""
        return frozenset(self._kinds)

    def taker(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Counts events of that kind; None for those that no metric is made of."""
        return self._kinds.get(kind)

    def bring_up_to_date(self) -> None:
        """Counts what goes on by itself: the time of breakers that are not closed."""
        self._breakers.go_on()

    def _started(self, event: Started) -> None:
        self.measures.observe("start_seconds", event.phase, value=event.seconds)

    def _arrived(self, event: Arrived) -> None:
        del event
        self.measures.add("requests_in_flight")

    def _answered(self, event: Answered) -> None:
        self.measures.add("requests_in_flight", by=-1)
        self.measures.add("requests", event.method, event.route, str(event.status))
        self.measures.observe("request_seconds", event.route, value=event.seconds)

    def _picture(self, event: PictureEnded) -> None:
        self.measures.add("pictures", event.style, event.engine, event.cache, event.outcome)
        if event.outcome in _WITH_A_PICTURE:
            self.measures.observe("picture_seconds", event.cache, value=event.seconds)

    def _cutout(self, event: CutoutEnded) -> None:
        self.measures.add("cutouts", event.engine, event.cache, event.outcome)
        if event.outcome in _WITH_A_PICTURE:
            self.measures.observe("cutout_seconds", event.cache, value=event.seconds)

    def _degraded(self, event: Degraded) -> None:
        self.measures.add("degraded", event.step, event.reason)
        self.substitutes.append((self._clock.now(), event))

    def _looked_up(self, event: CacheLookup) -> None:
        self.measures.add("cache_lookups", event.outcome)
        self.measures.observe("cache_seconds", event.outcome, value=event.seconds)

    def _called(self, event: UpstreamCalled) -> None:
        self.measures.add("upstream_calls", event.upstream, event.outcome)
        self.measures.observe("upstream_seconds", event.upstream, value=event.seconds)

    def _spared(self, event: UpstreamSpared) -> None:
        self.measures.add("upstream_calls", event.upstream, event.reason)

    def _retried(self, event: UpstreamRetried) -> None:
        self.measures.add("upstream_retries", event.upstream, event.reason)

    def _spent(self, event: Spent) -> None:
        certainty = "possible" if event.possible else "billed"
        self.measures.add("spent_usd", event.model, certainty, by=float(event.usd))
        self.measures.add("tokens", event.model, "input", by=event.input_tokens)
        self.measures.add("tokens", event.model, "output", by=event.output_tokens)

    def _quota(self, event: QuotaUsed) -> None:
        self.measures.add("quota_uses", event.tier, event.outcome)

    def _rate(self, event: RateRefused) -> None:
        self.measures.add("rate_refusals", event.limit)

    def _store(self, event: StoreFailed) -> None:
        self.measures.add("store_failures", event.store.partition(":")[0], event.operation)

    def _upload(self, event: UploadEnded) -> None:
        self.measures.add("uploads", event.outcome)
        self.measures.observe("upload_seconds", value=event.seconds)

    def _queue(self, event: QueueChanged) -> None:
        self.measures.set("queue_waiting", event.work, to=event.waiting)

    def _waited(self, event: WaitEnded) -> None:
        self.measures.observe("queue_seconds", event.work, value=event.seconds)

    def _refused(self, event: WorkRefused) -> None:
        self.measures.add("queue_refusals", event.work)


@dataclass(slots=True)
class _Since:
    state: str
    counted_to: float  # on the monotonic clock


class Breakers:
    """State, openings and open time of breakers. The time goes on between events, so it is brought up to date."""

    def __init__(self, measures: Measures, clock: Clock) -> None:
        self._measures = measures
        self._clock = clock
        self._states: dict[str, _Since] = {}

    def changed(self, event: BreakerChanged) -> None:
        """Counts a change."""
        self.go_on()
        self._states[event.upstream] = _Since(event.after, self._clock.monotonic())
        self._measures.set("breaker_state", event.upstream, to=_STATES.get(event.after, 2))
        if event.after == "open":
            self._measures.add("breaker_openings", event.upstream, "faults" if event.before == "closed" else "probe")

    def go_on(self) -> None:
        """Adds the time since the last look."""
        now = self._clock.monotonic()
        for upstream, since in self._states.items():
            if since.state != "closed":
                self._measures.add("breaker_open_seconds", upstream, by=now - since.counted_to)
            since.counted_to = now
