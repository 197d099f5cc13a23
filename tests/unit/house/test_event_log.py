"""Events as lines of the log."""

from __future__ import annotations

import io
import json
import logging
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from perkie_cli.domain import events
from perkie_cli.domain.events import (
    Answered,
    BreakerChanged,
    CacheLookup,
    Event,
    PictureEnded,
    StoreAnswered,
    StoreBack,
    StoreFailed,
    UpstreamRetried,
)
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.log import LEVELS, EventLog, handler_on


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


KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event) and kind != Event]


def test_every_kind_of_event_has_a_level() -> None:
    assert set(LEVELS) == set(KINDS), "telemetry/log.py decides for each kind who is to see it"


def a_json_line(event: Event, request: CurrentRequest | None = None, project: str | None = None) -> dict[str, Any]:
    stream, logger = io.StringIO(), logging.getLogger("perkie.events")
    handler = handler_on(stream, "json", project)
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with serving(request) if request is not None else nullcontext():
            EventLog().emit(event)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    (line,) = stream.getvalue().splitlines()
    made = json.loads(line)
    assert isinstance(made, dict)
    return made


def test_a_json_line_has_the_fields_of_cloud_logging() -> None:
    request = CurrentRequest("r1", "0af7651916cd43dd8448eb211c80319c", "shop", "customer:0a1b", "b7ad6b7169203331")
    picture = PictureEnded("ink_wash", "gemini", "nano", "miss", "degraded", 1.25)
    made = a_json_line(picture, request, "prints")
    assert datetime.fromisoformat(made.pop("time")).tzinfo is not None
    assert made == {
        "severity": "INFO",
        "message": "picture_ended: style=ink_wash, engine=gemini, model=nano, cache=miss, outcome=degraded, "
        "seconds=1.250",
        "logger": "perkie.events",
        "request_id": "r1",
        "caller": "shop",
        "owner": "customer:0a1b",
        "logging.googleapis.com/trace": "projects/prints/traces/0af7651916cd43dd8448eb211c80319c",
        "logging.googleapis.com/spanId": "b7ad6b7169203331",
        "logging.googleapis.com/trace_sampled": False,
        "event": "picture_ended",
        "style": "ink_wash",
        "engine": "gemini",
        "model": "nano",
        "cache": "miss",
        "outcome": "degraded",
        "seconds": 1.25,
    }


def test_an_answer_is_an_http_request_to_cloud_logging() -> None:
    made = a_json_line(Answered("POST", "/api/v1/generate", 200, 0.25))
    assert made["httpRequest"] == {
        "requestMethod": "POST",
        "requestUrl": "/api/v1/generate",
        "status": 200,
        "latency": "0.250000s",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_one_json_line(kind: type[Event]) -> None:
    texts = {"str": "a\r\nb https://u:secret@host/", "str | None": "a hint", "Decimal": Decimal("0.5")}
    numbers = {"int": 3, "float": 0.5, "bool": True, "timedelta": timedelta(1)}
    given = [(texts | numbers)[kind.__annotations__[name]] for name in kind.__match_args__]
    event = kind(*given)
    if not isinstance(event, StoreAnswered | StoreBack):
        assert "secret" not in json.dumps(a_json_line(event))


def test_a_wide_line_has_the_answer_and_what_was_made_for_it() -> None:
    stream, logger = io.StringIO(), logging.getLogger("perkie.events")
    handler = handler_on(stream, "json")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    log = EventLog(wide=True)
    try:
        for styles in (["ink_wash"], ["ink_wash", "bw_fine_art"]):
            with serving(CurrentRequest("r1", "a" * 32)):
                for style in styles:
                    log.emit(PictureEnded(style, "local", "ink", "hit", "ok", 0.01))
                log.emit(Answered("POST", "/api/v1/generate", 200, 0.02))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    one, two = map(json.loads, stream.getvalue().splitlines())
    assert (one["event"], one["httpRequest"]["status"], one["style"], one["outcome"]) == (
        "answered",
        200,
        "ink_wash",
        "ok",
    )
    assert "made" not in one
    assert [each["style"] for each in two["made"]] == ["ink_wash", "bw_fine_art"]


def test_an_exception_stays_in_its_json_line() -> None:
    stream, logger = io.StringIO(), logging.getLogger("perkie.test_json")
    logger.addHandler(handler_on(stream, "json"))
    try:
        int("broken https://u:secret@host/")
    except ValueError:
        logger.exception("it failed")
    (line,) = stream.getvalue().splitlines()
    made = json.loads(line)
    assert (made["severity"], made["message"]) == ("ERROR", "it failed")
    assert "ValueError: invalid literal" in made["stack_trace"]
    assert "secret" not in line
