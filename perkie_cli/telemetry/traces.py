"""Traces: one span for each request, with a child for each event that took time. Sent by OpenTelemetry over OTLP.

Spans are made of the events, when something has ended: an event has its duration, and the request its place in the
trace. Sending is left to the library's own thread and bounded queue, so that a request never waits for it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

import perkie_cli
from perkie_cli.domain.errors import MissingCredentials
from perkie_cli.domain.events import (
    Answered,
    BreakerChanged,
    CacheLookup,
    CutoutEnded,
    Degraded,
    Event,
    PictureEnded,
    StoreAnswered,
    StoreFailed,
    UploadEnded,
    UpstreamCalled,
    UpstreamRetried,
    WaitEnded,
)
from perkie_cli.ports import Clock
from perkie_cli.system.current_request import CurrentRequest, current_request
from perkie_cli.telemetry.told import facts_of, name_of

Tell = Callable[[Event], None]
NAME = "traces"
EXPORT_WITHIN = 2.0  # seconds, retries included; the end of a server may take as long
SEND_EVERY = 5.0  # seconds
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("perkie", perkie_cli.__version__)
_CHILDREN: Mapping[type[Event], tuple[str, SpanKind]] = {
    UpstreamCalled: ("call {upstream}", SpanKind.CLIENT),
    PictureEnded: ("picture", SpanKind.INTERNAL),
    CutoutEnded: ("cutout", SpanKind.INTERNAL),
    CacheLookup: ("store: look up", SpanKind.CLIENT),
    UploadEnded: ("store: upload", SpanKind.CLIENT),
    WaitEnded: ("wait for {work}", SpanKind.INTERNAL),
}
_NOTES = (Degraded, UpstreamRetried, StoreFailed, BreakerChanged)  # moments within a request
_FINE = frozenset({"ok", "degraded", "hit", "shared", "near", "joined", "miss", "off", "stored", "known"})


class Traces:
    """An event sink that makes spans of the events of sampled requests."""

    def __init__(self, exporter: SpanExporter, resource: Mapping[str, str], clock: Clock) -> None:
        """``resource``: attributes of this server in all its spans."""
        self._resource = Resource.create(dict(resource))
        self._clock = clock
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=SEND_EVERY * 1000)

    def taker(self, kind: type[Event]) -> Tell | None:
        """Makes spans of events of that kind, where their request is sampled."""
        if kind is not Answered and kind not in _CHILDREN and kind not in _NOTES:
            return None

        def take(event: Event) -> None:
            request = current_request()
            if request is not None and request.sampled:
                self._trace(event, request)

        return take

    def close(self) -> None:
        """Sends what is left. Blocks for ``EXPORT_WITHIN`` at most."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # as in the library

    def _trace(self, event: Event, request: CurrentRequest) -> None:
        if isinstance(event, Answered):
            self._end(_root(event, request, self._resource), request, event.seconds)
        elif isinstance(event, _NOTES):
            request.notes.append((self._now(), name_of(event), _attributes(event)))
        elif (kind := _CHILDREN.get(type(event))) is not None:
            self._end(_child(event, request, self._resource, *kind), request, getattr(event, "seconds", 0.0))

    def _end(self, made: dict[str, Any], request: CurrentRequest, seconds: float) -> None:
        end = self._now()
        notes = request.notes if made["kind"] is SpanKind.SERVER else ()
        happened = [SpanEvent(name, attributes, when) for when, name, attributes in notes]
        self._processor.on_end(
            ReadableSpan(
                **made,
                events=happened,
                start_time=end - int(seconds * 1e9),
                end_time=end,
                instrumentation_scope=_SCOPE,
            )
        )

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1e9)


def _root(event: Answered, request: CurrentRequest, resource: Resource) -> dict[str, Any]:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/"""
    attributes = {
        "http.request.method": event.method,
        "http.route": event.route,
        "http.response.status_code": event.status,
        "perkie.request_id": request.request_id,
        "perkie.caller": request.caller,
        "perkie.owner": request.owner,
    }
    parent = None if request.parent_id is None else _context(request, int(request.parent_id, 16), remote=True)
    return {
        "name": f"{event.method} {event.route}",
        "context": _context(request, int(request.span_id, 16)),
        "parent": parent,
        "resource": resource,
        "attributes": {name: value for name, value in attributes.items() if value is not None},
        "kind": SpanKind.SERVER,
        "status": Status(StatusCode.ERROR if event.status >= 500 else StatusCode.UNSET),
    }


def _child(event: Event, request: CurrentRequest, resource: Resource, name: str, kind: SpanKind) -> dict[str, Any]:
    facts = facts_of(event)
    failed = facts.get("outcome", "ok") not in _FINE
    return {
        "name": name.format(**facts),
        "context": _context(request, random.getrandbits(64) or 1),
        "parent": _context(request, int(request.span_id, 16)),
        "resource": resource,
        "attributes": _attributes(event),
        "kind": kind,
        "status": Status(StatusCode.ERROR, str(facts["outcome"])) if failed else Status(StatusCode.UNSET),
    }


def _context(request: CurrentRequest, span: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(request.trace_id, 16), span, is_remote=remote, trace_flags=_SAMPLED)


def _attributes(event: Event) -> dict[str, str | int | float | bool]:
    facts = {f"perkie.{name}": value for name, value in facts_of(event).items() if name != "seconds"}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in facts.items() if value}


class Told(SpanExporter):
    """Tells of the exporter's failures as of those of a store: the first one, and when it works again."""

    def __init__(self, exporter: SpanExporter, where: str, tell: Tell) -> None:
        self._exporter = exporter
        self._where = where
        self._tell = tell
        self._causes = _Causes()
        library = logging.getLogger("opentelemetry")  # it would log each try, with a traceback
        library.propagate = False
        library.handlers = [self._causes]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans, and tells how it went."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._tell(StoreAnswered(NAME, "write"))
        else:
            reason = f"{self._where} does not take spans: {self._causes.last}"
            self._tell(StoreFailed(NAME, "write", reason, "Check telemetry.otlp_endpoint, and that a collector runs."))
        return result

    def shutdown(self) -> None:
        """Ends a try that goes on."""
        self._exporter.shutdown()


class _Causes(logging.Handler):
    """Keeps the library's last message: its results do not say why."""

    last = "no answer"

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())[:200]


def otlp_exporter(endpoint: str, tell: Tell) -> SpanExporter:
    """Sends to ``ENDPOINT/v1/traces``; at Google with its default credentials.

    Raises: MissingCredentials.
    """
    place = urlsplit(endpoint)
    session = _google_session() if (place.hostname or "").endswith(".googleapis.com") else None
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return Told(OTLPSpanExporter(url, timeout=EXPORT_WITHIN, session=session), place.netloc, tell)


def _google_session() -> Any:
    """https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/overview"""
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except GoogleAuthError as error:
        hint = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."
        raise MissingCredentials("no Google credentials for traces", hint=hint) from error
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # as in the library
