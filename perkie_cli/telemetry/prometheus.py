"""Prometheus metrics of one server process, fed by requests and events."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from perkie_cli.domain.events import BreakerChanged, CacheLookup, Event, StoreFailed, UpstreamCalled
from perkie_cli.ports import EventSink

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 150)
_STATES = {"closed": 0, "half_open": 1, "open": 2}
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "WS"})


class Metrics:
    """An event sink that counts events and passes them on to ``next_sink``."""

    def __init__(self, next_sink: EventSink) -> None:
        self._next_sink = next_sink
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "perkie_requests", "Answers by route and status.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "perkie_request_seconds", "Time to the last byte.", ("route",), buckets=_SECONDS, registry=registry
        )
        self._lookups = Counter("perkie_cache_lookups", "Cache look-ups by outcome.", ("outcome",), registry=registry)
        self._calls = Counter("perkie_upstream_calls", "Attempts upstream.", ("upstream", "outcome"), registry=registry)
        self._upstream_seconds = Histogram(
            "perkie_upstream_seconds", "Time of an attempt.", ("upstream",), buckets=_SECONDS, registry=registry
        )
        self._failures = Counter("perkie_store_failures", "Failed store operations.", ("operation",), registry=registry)
        self._breaker = Gauge(
            "perkie_breaker_state", "0 closed, 1 half-open, 2 open.", ("upstream",), registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one HTTP answer."""
        method = method if method in _METHODS else "other"  # a client must not be able to create labels
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def emit(self, event: Event) -> None:
        """Counts the event and passes it on."""
        if isinstance(event, CacheLookup):
            self._lookups.labels(event.outcome).inc()
        elif isinstance(event, UpstreamCalled):
            self._calls.labels(event.upstream, event.outcome).inc()
            self._upstream_seconds.labels(event.upstream).observe(event.seconds)
        elif isinstance(event, StoreFailed):
            self._failures.labels(event.operation).inc()
        elif isinstance(event, BreakerChanged):
            self._breaker.labels(event.upstream).set(_STATES.get(event.after, 2))
        self._next_sink.emit(event)

    def text(self) -> bytes:
        """The metrics in Prometheus's exposition format."""
        return generate_latest(self.registry)
