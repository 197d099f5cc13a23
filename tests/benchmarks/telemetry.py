"""What telemetry costs a cached picture, as a share of the bare route's CPU time (that of `hit`).

The events of a real hit are sent through the sinks of a server again and again, in one process; the bare route answers
the same body in another. Both are CPU time, so that a busy machine matters little.
"""

import argparse
import asyncio
import base64
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import Settings, TelemetrySettings
from perkie_cli.domain.events import Answered, Event, StoreAnswered
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.log import EventLog, Format, handler_on, leave_out_unseen
from tests.benchmarks.harness import Goal, Report
from tests.benchmarks.hit import BARE, _load
from tests.events import Recorder
from tests.http_server import running
from tests.pictures import file_of, photo
from tests.serving import ServerProcess

SHARE, SIDE = 0.02, 2048  # px: as in `hit`


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="telemetry")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="in each round")
    arguments = parser.parse_args(argv)
    answer, events = asyncio.run(_a_hit())
    bare = _bare(answer, arguments.rounds)
    note = f"{len(events)} events a hit; the bare route takes {bare * 1e6:.0f} µs of CPU."
    report = Report("telemetry", notes=[note])
    cases: dict[str, tuple[Format, TelemetrySettings]] = {
        "metrics, text log": ("text", TelemetrySettings()),
        "metrics, JSON log": ("json", TelemetrySettings()),
        "all, traced 1 in 10": ("json", TelemetrySettings(monitoring=True, otlp_endpoint="http://127.0.0.1:1")),
    }
    for name, (format_, settings) in cases.items():
        seconds = _replayed(events, format_, settings, arguments)
        report.rows.append({"sinks": name, "µs a hit": seconds * 1e6, "of the bare route": seconds / bare})
        report.goals.append(Goal(name, seconds / bare, SHARE))
    return report


async def _a_hit() -> tuple[bytes, list[Event]]:
    """Its answer, and the events of it."""
    seen = Recorder()
    async with running(listener=seen) as server:
        await server.generate()
        seen.events.clear()
        answer = await server.generate()
        assert answer.json()["cache_hit"]
    ends = next(place for place, event in enumerate(seen.events) if isinstance(event, Answered))
    return answer.content, seen.events[: ends + 1]


def _bare(answer: bytes, rounds: int) -> float:
    """Seconds of CPU that the bare route takes for one request of the same size."""
    server = ServerProcess([sys.executable, "-c", BARE, answer.hex()], {})
    picture = file_of(photo(SIDE, SIDE * 3 // 4), quality=92)
    body = b'{"style":"ink_wash","image_data":"%s"}' % base64.b64encode(picture)
    try:
        found = []
        for _ in range(rounds):
            before = _cpu(server.process.pid)
            _, times, _ = asyncio.run(_load(server.url, body, 10, 1.0))
            found.append((_cpu(server.process.pid) - before) / len(times))
    finally:
        server.process.kill()
        server.process.wait()
    return statistics.median(found)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _replayed(events: Sequence[Event], format_: Format, settings: TelemetrySettings, arguments: Any) -> float:
    """Seconds of CPU for the events of one hit, in all threads."""
    services = build_services(
        replace(Settings(), telemetry=settings), profile=Profile.SERVER, listener=EventLog(wide=format_ == "json")
    )
    emit = services.events.emit
    with _logging(format_):
        asyncio.run(_warm(services, emit, events))
        found = [_round(emit, events, arguments.requests) for _ in range(arguments.rounds)]
    return statistics.median(found)


async def _warm(services: Any, emit: Callable[[Event], None], events: Sequence[Event]) -> None:
    for event in events:
        emit(event)
    assert any(isinstance(event, StoreAnswered) for event in events)


def _round(emit: Callable[[Event], None], events: Sequence[Event], requests: int) -> float:
    began = time.process_time()
    for number in range(requests):
        traced = number % 10 == 0
        with serving(CurrentRequest(f"r{number}", "a" * 32, "shop", "session:0a1b", "b" * 16, sampled=traced)):
            for event in events:
                emit(event)
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
