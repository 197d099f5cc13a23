"""Events as lines of the log."""

from __future__ import annotations

import io
import logging
import re
from datetime import UTC, datetime, timedelta

import pytest

from perkie_cli.domain.events import BreakerChanged, CacheLookup, StoreAnswered, StoreFailed, UpstreamRetried
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.log import EventLog, handler_on


def test_each_event_is_one_line_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "perkie.events")
    log = EventLog()
    log.emit(BreakerChanged("gemini", "closed", "open", 60.0))
    log.emit(UpstreamRetried("gemini", "upstream_fault", 1.5, 1, 0.0, "gemini is unavailable (503)"))
    log.emit(StoreFailed("disk", "write", "no\nroom"))
    log.emit(CacheLookup("hit", "ink_wash"))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "breaker_changed: upstream=gemini, before=closed, after=open, open_for=60.000"),
        (
            "INFO",
            "upstream_retried: upstream=gemini, reason=upstream_fault, wait=1.500, attempt=1, waited=0.000, "
            "cause=gemini is unavailable (503)",
        ),
        ("WARNING", "store_failed: store=disk, operation=write, reason=no room"),
    ]


def test_a_store_that_stays_down_is_one_line_and_its_return_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "perkie.events")
    log = EventLog()
    for operation in ("write", "copy", "write"):
        log.emit(StoreFailed("disk", operation, "the disk is full", "Free some space."))
        log.emit(StoreAnswered("disk", "read"))  # a full disk still reads
    log.emit(StoreFailed("sqlite", "reserve", "locked"))
    log.emit(StoreAnswered("disk", "write"))
    log.emit(StoreAnswered("disk", "write"))
    log.emit(StoreAnswered("sqlite"))
    log.emit(StoreFailed("disk", "read", "gone"))
    assert [record.message for record in caplog.records] == [
        "store_failed: store=disk, operation=write, reason=the disk is full (Free some space.)",
        "store_failed: store=sqlite, operation=reserve, reason=locked",
        "store_back: store=disk, failures=3",
        "store_back: store=sqlite, failures=1",
        "store_failed: store=disk, operation=read, reason=gone",
    ]


def test_each_line_has_its_time_in_utc_and_its_request() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("perkie.test_lines")
    logger.addHandler(handler_on(stream))
    request = CurrentRequest("r1", "t1")
    logger.warning("outside")
    with serving(request):
        logger.warning("early")
        request.caller, request.owner = "storefront", "customer:0a1b"
        logger.warning("forged\r\n2026-01-01T00:00:00.000Z INFO line")
    lines = stream.getvalue().splitlines()
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
    assert all(time.match(line) for line in lines)
    assert [time.sub("", line, count=1) for line in lines] == [
        "WARNING outside",
        "WARNING early [request=r1]",
        "WARNING forged\\r\\n2026-01-01T00:00:00.000Z INFO line [request=r1 caller=storefront owner=customer:0a1b]",
    ]
    assert abs(datetime.fromisoformat(lines[0].split()[0]) - datetime.now(UTC)) < timedelta(minutes=1)
