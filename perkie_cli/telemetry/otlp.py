"""Sends spans to a collector: OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

With the library's exporter a traced request costs three times as much, since it makes each span twice: as an object and
in the form that is sent. Here spans are in that form at once, and the library's queue holds them.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.util.re import parse_env_headers

import perkie_cli
from perkie_cli.domain.errors import MissingCredentials
from perkie_cli.domain.events import Event, StoreAnswered, StoreFailed

Tell = Callable[[Event], None]
NAME = "traces"
EXPORT_WITHIN = 2.0  # seconds, further tries included; the end of a server may take as long
_PAUSE = 1.0  # seconds before another try
_PASSING = frozenset({429, 502, 503, 504})
_SCOPE = InstrumentationScope(name="perkie", version=perkie_cli.__version__)
_SAMPLED = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class Made(ReadableSpan):
    """A span in the form that is sent. The library's queue asks only whether it is sampled."""

    context = _SAMPLED

    def __init__(self, scope: ScopeSpans) -> None:
        self.scope = scope.SerializeToString()


class Collector(SpanExporter):
    """Sends what is ``Made``; tells of failures as of those of a store: the first one, and when it works again."""

    def __init__(self, endpoint: str, resource: Mapping[str, str], environ: Mapping[str, str], tell: Tell) -> None:
        """Sends to ``ENDPOINT/v1/traces``; at Google with its default credentials.

        ``resource``: attributes of this server in all its spans; ``environ``: OpenTelemetry's variables for headers,
        certificates and compression.

        Raises: MissingCredentials.
        """
        place = urlsplit(endpoint)
        self._where = place.netloc.rpartition("@")[2]
        self._url = f"{endpoint.rstrip('/')}/v1/traces"
        google = (place.hostname or "").endswith(".googleapis.com")
        self._session = _set_up(_google_session() if google else requests.Session(), environ)
        self._resource = ResourceSpans()
        describe(self._resource.resource.attributes, Resource.create(dict(resource)).attributes)
        self._ending = threading.Event()
        self._tell = tell
        library = logging.getLogger("opentelemetry")  # it would log each span that its queue drops
        library.propagate, library.handlers = False, [logging.NullHandler()]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans, and tells how it went."""
        sent = ExportTraceServiceRequest(resource_spans=[self._resource])
        scope = sent.resource_spans[0].scope_spans.add(scope=_SCOPE)
        scope.MergeFromString(b"".join([cast("Made", each).scope for each in spans]))
        trouble = self._post(sent.SerializeToString())
        if trouble is None:
            self._tell(StoreAnswered(NAME, "write"))
            return SpanExportResult.SUCCESS
        reason = f"{self._where} does not take spans: {trouble}"
        self._tell(StoreFailed(NAME, "write", reason, "Check telemetry.otlp_endpoint, and that a collector runs."))
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Ends a try that goes on."""
        self._ending.set()
        self._session.close()

    def _post(self, body: bytes) -> str | None:
        """What was wrong, after another try where that may help."""
        until = time.monotonic() + EXPORT_WITHIN
        packed = gzip.compress(body) if self._session.headers.get("Content-Encoding") == "gzip" else body
        while True:
            try:
                answer = self._session.post(self._url, packed, timeout=max(0.1, until - time.monotonic()))
                if answer.ok:
                    return None
                trouble, passing = f"{answer.status_code} {answer.reason}", answer.status_code in _PASSING
            except Exception as error:  # noqa: BLE001 -- credentials fail in ways of their own
                trouble, passing = _root(error), isinstance(error, requests.ConnectionError)
            if not passing or time.monotonic() + _PAUSE > until or self._ending.wait(_PAUSE):
                return trouble


def _root(error: BaseException) -> str:
    """What began it: ``Connection refused`` in place of three layers of libraries."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(str(error).split())[:200]


def describe(attributes: Any, facts: Mapping[str, Any], under: str = "") -> None:
    """Adds the facts that there are to the protocol's list of attributes; ``under``: begins their names."""
    for name, fact in facts.items():
        if not fact:
            continue
        value = attributes.add(key=under + name).value
        if isinstance(fact, bool):
            value.bool_value = fact
        elif isinstance(fact, int):
            value.int_value = fact
        elif isinstance(fact, float):
            value.double_value = fact
        else:
            value.string_value = _encodable(str(fact))


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs, which no UTF-8 can hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _set_up(session: requests.Session, environ: Mapping[str, str]) -> requests.Session:
    """https://opentelemetry.io/docs/specs/otel/protocol/exporter/"""

    def given(name: str) -> str | None:
        return environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}") or None

    session.headers.update({"Content-Type": "application/x-protobuf", "User-Agent": f"perkie/{perkie_cli.__version__}"})
    session.headers.update(parse_env_headers(given("HEADERS") or "", liberal=True))
    session.verify = given("CERTIFICATE") or session.verify
    certificate, key = given("CLIENT_CERTIFICATE"), given("CLIENT_KEY")
    session.cert = (certificate, key) if certificate and key else certificate
    if given("COMPRESSION") == "gzip":
        session.headers["Content-Encoding"] = "gzip"
    return session


def _google_session() -> requests.Session:
    """https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/overview"""
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except GoogleAuthError as error:
        hint = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."
        raise MissingCredentials("no Google credentials for traces", hint=hint) from error
    session: requests.Session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # as in the library
    return session
