"""Traces: one span for each request, with a child for each event that took time.

Spans are made of the events, when something has ended: an event has its duration, and the request its place in the
trace. Sending is left to OpenTelemetry's own thread and bounded queue, so that a request never waits for it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, SpanFlags, Status
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from perkie_cli.domain.events import (
    Answered,
    BreakerChanged,
    CacheLookup,
    CutoutEnded,
    Degraded,
    Event,
    PictureEnded,
    StoreFailed,
    UploadEnded,
    UpstreamCalled,
    UpstreamRetried,
    WaitEnded,
)
from perkie_cli.system.current_request import CurrentRequest, current_request
from perkie_cli.telemetry.otlp import Made, describe
from perkie_cli.telemetry.told import facts_of, name_of

SEND_EVERY = 5.0  # seconds
_HERE = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE = _HERE | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_CHILDREN: Mapping[type[Event], tuple[str, Span.SpanKind.ValueType]] = {
    UpstreamCalled: ("call {upstream}", Span.SPAN_KIND_CLIENT),
    PictureEnded: ("picture", Span.SPAN_KIND_INTERNAL),
    CutoutEnded: ("cutout", Span.SPAN_KIND_INTERNAL),
    CacheLookup: ("store: look up", Span.SPAN_KIND_CLIENT),
    UploadEnded: ("store: upload", Span.SPAN_KIND_CLIENT),
    WaitEnded: ("wait for {work}", Span.SPAN_KIND_INTERNAL),
}
_NOTES = (Degraded, UpstreamRetried, StoreFailed, BreakerChanged)  # moments within a request
_FINE = frozenset({"ok", "degraded", "hit", "shared", "near", "joined", "miss", "off", "stored", "known"})


class Traces:
    """An event sink that makes spans of the events of sampled requests."""

    def __init__(self, collector: SpanExporter) -> None:
        self._processor = BatchSpanProcessor(collector, schedule_delay_millis=SEND_EVERY * 1000)
        self._kinds: Mapping[type[Event], Callable[[Any, CurrentRequest], None]] = {
            Answered: self._root,
            **dict.fromkeys(_CHILDREN, self._child),
            **dict.fromkeys(_NOTES, self._note),
        }

    def taker(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """Makes spans of events of that kind, where their request is sampled."""
        make = self._kinds.get(kind)
        if make is None:
            return None

        def take(event: Event) -> None:
            request = current_request()
            if request is not None and request.sampled:
                make(event, request)

        return take

    def close(self) -> None:
        """Sends what is left. Blocks for ``EXPORT_WITHIN`` at most."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # as in the library

    def _root(self, event: Answered, request: CurrentRequest) -> None:
        """https://opentelemetry.io/docs/specs/semconv/http/http-spans/"""
        scope, span = self._ended(request, event.seconds)
        span.name, span.kind = f"{event.method} {event.route}", Span.SPAN_KIND_SERVER
        span.span_id = bytes.fromhex(request.span_id)
        if request.parent_id is not None:
            span.parent_span_id, span.flags = bytes.fromhex(request.parent_id), _REMOTE
        facts = {
            "http.request.method": event.method,
            "http.route": event.route,
            "http.response.status_code": event.status,
            "perkie.request_id": request.request_id,
            "perkie.caller": request.caller,
            "perkie.owner": request.owner,
        }
        describe(span.attributes, facts)
        span.events.extend(request.notes)
        if event.status >= 500:
            span.status.code = Status.STATUS_CODE_ERROR
        self._processor.on_end(Made(scope))

    def _child(self, event: Event, request: CurrentRequest) -> None:
        facts = facts_of(event)
        scope, span = self._ended(request, facts.pop("seconds"))
        name, span.kind = _CHILDREN[type(event)]
        span.name = name.format_map(facts)
        span.span_id, span.parent_span_id = random.randbytes(8), bytes.fromhex(request.span_id)  # noqa: S311
        describe(span.attributes, facts, "perkie.")
        if (outcome := facts.get("outcome", "ok")) not in _FINE:
            span.status.code, span.status.message = Status.STATUS_CODE_ERROR, str(outcome)
        self._processor.on_end(Made(scope))

    def _note(self, event: Event, request: CurrentRequest) -> None:
        note = Span.Event(name=name_of(event), time_unix_nano=time.time_ns())
        describe(note.attributes, facts_of(event), "perkie.")
        request.notes.append(note)

    def _ended(self, request: CurrentRequest, seconds: float) -> tuple[ScopeSpans, Span]:
        """A span of the request that ends now, after so many seconds, and what holds it alone."""
        scope, end = ScopeSpans(), time.time_ns()
        span = scope.spans.add()
        span.trace_id, span.flags = bytes.fromhex(request.trace_id), _HERE
        span.start_time_unix_nano, span.end_time_unix_nano = end - int(seconds * 1e9), end
        return scope, span
