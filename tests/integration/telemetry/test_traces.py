"""Traces as a collector gets them: a small one on loopback reads the protocol's own messages."""

from __future__ import annotations

import gzip
import http.server
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import Settings, TelemetrySettings
from perkie_cli.domain.errors import MissingCredentials, MissingExtra
from perkie_cli.domain.events import Answered, Degraded, Event, NoEvents, StoreAnswered, UpstreamCalled
from perkie_cli.engines.remote import RemoteEngine
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.current_request import CurrentRequest, outgoing_headers, serving
from perkie_cli.system.threads import thread_workers
from perkie_cli.telemetry.fanout import Fanout
from perkie_cli.telemetry.otlp import Collector as Sender
from perkie_cli.telemetry.traces import Traces
from tests.http_server import PHOTO, running, server_log

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Collector:
    """``status``: that of each answer; ``first``: that of the first one."""

    url: str = ""
    status: int = 200
    first: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    asked: queue.Queue[str] = field(default_factory=queue.Queue)

    def named(self, name: str) -> Any:
        (found,) = [each for each in self.spans if each.name == name]
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked.put(self.path)
            collector.headers = dict(self.headers)
            status, collector.first = collector.first or collector.status, None
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            if status == 200:
                for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources.append({a.key: a.value.string_value for a in each.resource.attributes})
                    collector.spans += [span for scope in each.scope_spans for span in scope.spans]
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        yield collector
        server.shutdown()
        thread.join()


def traced(url: str, **changes: Any) -> Settings:
    return Settings(telemetry=TelemetrySettings(otlp_endpoint=url, **changes))


def facts(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


async def test_a_request_is_a_span_with_children_in_its_caller_s_trace() -> None:
    with collecting() as collector:
        async with running(settings=traced(collector.url)) as server:
            headers = {"traceparent": PARENT, "X-Request-ID": "complaint-7"}
            answer = await server.generate(session_id="anna77", headers=headers)
    assert answer.status_code == 200
    assert collector.asked.get() == "/v1/traces"
    root = collector.named("POST /api/v1/generate")
    assert {span.trace_id.hex() for span in collector.spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert (root.parent_span_id.hex(), root.kind) == ("b7ad6b7169203331", 2)
    assert answer.headers["traceparent"] == f"00-{root.trace_id.hex()}-{root.span_id.hex()}-01"
    given = facts(root)
    assert (given["http.response.status_code"], given["http.route"]) == (200, "/api/v1/generate")
    assert given["perkie.request_id"] == "complaint-7"
    assert given["perkie.owner"].startswith("session:")
    children = [span for span in collector.spans if span is not root]
    assert {span.name for span in children} == {"picture", "store: look up", "store: upload"}
    for span in children:
        assert span.parent_span_id == root.span_id
        assert root.start_time_unix_nano - 5e6 <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    assert facts(collector.named("picture"))["perkie.engine"] == "negative"
    assert "anna77" not in str(collector.spans)
    assert collector.resources[0]["service.name"] == "perkie"


@pytest.mark.parametrize(
    ("parent", "share", "sampled"),
    [(PARENT[:-2] + "00", 1, False), (PARENT, 0, True), (None, 1, True), (None, 0, False)],
)
async def test_the_caller_decides_what_is_traced_and_else_the_share(
    parent: str | None, share: float, sampled: bool
) -> None:
    with collecting() as collector:
        async with running(settings=traced(collector.url, trace_share=share)) as server:
            answer = await server.client.get("/health", headers={"traceparent": parent} if parent else {})
    assert [span.name for span in collector.spans] == ["GET /health"] * sampled
    assert answer.headers["traceparent"].endswith("01") == sampled


async def test_a_call_to_another_perkie_stays_in_the_trace() -> None:
    with collecting() as collector:
        async with running(settings=traced(collector.url)) as far:
            there = RemoteEngine(
                str(far.client.base_url),
                key=None,
                workers=thread_workers(1),
                clock=SystemClock(),
                headers=outgoing_headers,
            )
            async with running(settings=traced(collector.url), matting_engines={"auto": there}) as near:
                headers = {"X-Request-ID": "complaint-8", "Content-Type": "image/jpeg"}
                answer = await near.client.post("/remove-background", content=PHOTO, headers=headers)
    assert answer.status_code == 200, answer.text
    first, second = sorted(
        (span for span in collector.spans if span.name == "POST /remove-background"), key=lambda s: s.parent_span_id
    )
    assert (first.parent_span_id, second.parent_span_id) == (b"", first.span_id)
    assert second.trace_id == first.trace_id
    assert facts(second)["perkie.request_id"] == facts(first)["perkie.request_id"] == "complaint-8"


def sent(url: str, environ: Mapping[str, str], *happened: Event) -> list[Event]:
    """Sends the spans of one request. Returns what was told of it."""
    told: list[Event] = []
    traces = Traces(Sender(url, {}, environ, told.append))
    fanout = Fanout([traces], NoEvents())
    with serving(CurrentRequest("r1", "a" * 32, span_id="b" * 16, sampled=True)):
        for event in happened:
            fanout.emit(event)
    traces.close()
    return told


ANSWERED = Answered("POST", "/x", 503, 41.0)


def test_an_attempt_upstream_and_what_came_of_it_are_in_the_span() -> None:
    called = UpstreamCalled("gemini", 2, "upstream_timeout", 40.0)
    degraded = Degraded("ink_wash", "upstream_timeout", "local", "local", "half a pair: \ud83d")
    with collecting() as collector:
        sent(collector.url, {}, called, degraded, ANSWERED)
    call, root = collector.named("call gemini"), collector.named("POST /x")
    assert (call.kind, call.status.code, call.status.message) == (3, 2, "upstream_timeout")
    assert facts(call) == {"perkie.upstream": "gemini", "perkie.attempt": 2, "perkie.outcome": "upstream_timeout"}
    assert 39.9e9 < call.end_time_unix_nano - call.start_time_unix_nano < 40.1e9
    assert root.status.code == 2
    (note,) = root.events
    assert note.name == "degraded"
    noted = {each.key: each.value.string_value for each in note.attributes}
    assert (noted["perkie.step"], noted["perkie.cause"]) == ("local", "half a pair: ?")


@pytest.mark.parametrize("status", [None, 404, 503])
async def test_a_broken_collector_costs_no_request_and_is_told_once(status: int | None) -> None:
    with collecting() as collector, server_log() as log:
        collector.status = status or 200
        async with running(settings=traced(collector.url if status else "http://me:secret@127.0.0.1:1")) as server:
            for _ in range(3):
                assert (await server.client.get("/health")).status_code == 200
    told = [line for line in log.getvalue().splitlines() if "WARNING" in line]
    assert len(told) == 1, log.getvalue()
    assert "store_failed: store=traces" in told[0]
    assert "127.0.0.1" in told[0]
    assert f"does not take spans: {status or '[Errno'}" in told[0]
    assert "secret" not in log.getvalue()


def test_what_a_collector_cannot_take_for_a_moment_is_sent_again() -> None:
    with collecting() as collector:
        collector.first = 503
        assert sent(collector.url, {}, ANSWERED) == [StoreAnswered("traces", "write")]
    assert [span.name for span in collector.spans] == ["POST /x"]
    assert collector.asked.qsize() == 2


def test_open_telemetry_s_variables_give_headers_and_compression() -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-team=prints,api-key=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
    with collecting() as collector:
        sent(collector.url, environ, ANSWERED)
    assert (collector.headers["x-team"], collector.headers["api-key"]) == ("prints", "a b")
    assert [span.name for span in collector.spans] == ["POST /x"]


def test_google_s_endpoint_needs_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(MissingCredentials, match="no Google credentials for traces"):
        Sender("https://telemetry.googleapis.com", {}, {}, lambda _: None)


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("perkie_cli.bootstrap.telemetry.traces", "perkie_cli.telemetry.traces"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    services = build_services(traced("http://127.0.0.1:4318"), profile=Profile.SERVER)
    with pytest.raises(MissingExtra, match="traces need opentelemetry") as caught:
        _ = services.events
    assert "perkie-cli[trace]" in str(caught.value.hint)
