"""What telemetry costs a cached picture, as a share of the bare route's CPU time (that of `hit`).

The events of a real hit are made and sent through the sinks of a server again and again, in one process; the bare route
answers the same body in another. Spans go to a collector in a third one, to the last. All is CPU time, so that a busy
machine matters little; it still slows the memory that the bare route works in more than the sinks: compare quiet ones.
"""

import argparse
import asyncio
import base64
import logging
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import Settings, TelemetrySettings
from perkie_cli.domain.events import Answered, Event
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.log import EventLog, Format, handler_on, leave_out_unseen
from tests.benchmarks.harness import Goal, Report
from tests.benchmarks.hit import BARE, _load
from tests.events import Recorder
from tests.http_server import running
from tests.pictures import file_of, photo
from tests.serving import ServerProcess

SHARE, SIDE = 0.02, 2048  # px: as in `hit`
TRACED = 10  # one request in so many
COLLECTOR = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    spans = 0
    def do_POST(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        Handler.spans += sum(len(scope.spans) for each in sent.resource_spans for scope in each.scope_spans)
        self.answer(b"")
    def do_GET(self):
        self.answer(str(Handler.spans).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
"""
Happened = Sequence[tuple[type[Event], tuple[Any, ...]]]  # the kinds of the events of a hit, and their values


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="telemetry")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=5000, help="in each round")
    arguments = parser.parse_args(argv)
    answer, events = asyncio.run(_a_hit())
    bare = _bare(answer, arguments.rounds)
    note = f"{len(events)} events a hit; the bare route takes {bare * 1e6:.0f} µs of CPU."
    report = Report("telemetry", notes=[note])
    with _process(COLLECTOR) as (url, _):
        traced = TelemetrySettings(monitoring=True, otlp_endpoint=url)
        cases: dict[str, tuple[Format, TelemetrySettings]] = {
            "metrics, text log": ("text", TelemetrySettings()),
            "metrics, JSON log": ("json", TelemetrySettings()),
            "and Cloud Monitoring": ("json", TelemetrySettings(monitoring=True)),
            f"all, traced 1 in {TRACED}": ("json", traced),
        }
        for name, (format_, settings) in cases.items():
            seconds = _replayed(events, format_, settings, arguments)
            report.rows.append({"sinks": name, "µs a hit": seconds * 1e6, "of the bare route": seconds / bare})
            report.goals.append(Goal(name, seconds / bare, SHARE))
        with urllib.request.urlopen(url) as told:
            report.notes.append(f"The collector got {told.read().decode()} spans.")
    return report


async def _a_hit() -> tuple[bytes, Happened]:
    """Its answer, and the events of it."""
    seen = Recorder()
    async with running(listener=seen) as server:
        await server.generate()
        seen.events.clear()
        answer = await server.generate()
        assert answer.json()["cache_hit"]
    ends = next(place for place, event in enumerate(seen.events) if isinstance(event, Answered))
    return answer.content, [
        (type(event), tuple(getattr(event, name) for name in event.__match_args__)) for event in seen.events[: ends + 1]
    ]


def _bare(answer: bytes, rounds: int) -> float:
    """Seconds of CPU that the bare route takes for one request of the same size."""
    picture = file_of(photo(SIDE, SIDE * 3 // 4), quality=92)
    body = b'{"style":"ink_wash","image_data":"%s"}' % base64.b64encode(picture)
    with _process(BARE, answer.hex()) as (url, pid):
        found = []
        for _ in range(rounds):
            before = _cpu(pid)
            _, times, _ = asyncio.run(_load(url, body, 10, 1.0))
            found.append((_cpu(pid) - before) / len(times))
    return statistics.median(found)


@contextmanager
def _process(program: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """A server's address, and its process."""
    server = ServerProcess([sys.executable, "-c", program, *arguments], {})
    try:
        yield server.url, server.process.pid
    finally:
        server.process.kill()
        server.process.wait()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _replayed(events: Happened, format_: Format, settings: TelemetrySettings, arguments: Any) -> float:
    """Seconds of CPU for the events of one hit, in all threads; the median of rounds."""
    with _logging(format_):
        return statistics.median(_round(events, format_, settings, arguments.requests) for _ in range(arguments.rounds))


def _round(events: Happened, format_: Format, settings: TelemetrySettings, requests: int) -> float:
    """A server's sinks from their first event on, until all spans are sent."""
    services = build_services(
        replace(Settings(), telemetry=settings), profile=Profile.SERVER, listener=EventLog(wide=format_ == "json")
    )
    emit = services.events.emit
    for kind, values in events:
        emit(kind(*values))
    began = time.process_time()
    for number in range(requests):
        traced = number % TRACED == 0
        with serving(CurrentRequest(f"r{number}", "a" * 32, "shop", "session:0a1b", "b" * 16, sampled=traced)):
            for kind, values in events:
                emit(kind(*values))
    if settings.otlp_endpoint is not None:
        services.traces.close()
    return (time.process_time() - began) / requests


@contextmanager
def _logging(format_: Format) -> Any:
    logger = logging.getLogger("perkie")
    leave_out_unseen()
    with Path(os.devnull).open("w") as nowhere:
        handler = handler_on(nowhere, format_, "prints")
        logger.addHandler(handler)
        before, logger.propagate = logger.level, False
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
            logger.propagate = True
