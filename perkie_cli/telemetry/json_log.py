"""One JSON object a line, in the fields that Cloud Logging takes apart.

https://docs.cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import json
import logging
from typing import Any

import orjson

from perkie_cli.domain.events import Answered, Event
from perkie_cli.domain.secret import masked
from perkie_cli.system.current_request import CurrentRequest
from perkie_cli.telemetry.told import EventRecord, name_of, utc

_TRACE, _SPAN, _SAMPLED = (f"logging.googleapis.com/{name}" for name in ("trace", "spanId", "trace_sampled"))


class JsonLines(logging.Formatter):
    """``severity``, ``time``, ``message``; the request with its trace; an event's name and fields; ``stack_trace``."""

    def __init__(self, project: str | None) -> None:
        super().__init__()
        self._traces = "" if project is None else f"projects/{project}/traces/"

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; text of others stays inside its string."""
        made: dict[str, Any] = {
            "severity": record.levelname,
            "time": utc(record),
            "message": record.getMessage(),
            "logger": record.name,
        }
        request: CurrentRequest | None = getattr(record, "request", None)
        if request is not None:
            self._add_request(made, request)
        if isinstance(record, EventRecord):
            _add_event(made, record.event, request)
        if record.exc_info:
            made["stack_trace"] = self.formatException(record.exc_info)
        line = _encoded(made)
        return line if "://" not in line else _encoded(_masked(made))

    def _add_request(self, made: dict[str, Any], request: CurrentRequest) -> None:
        made["request_id"] = request.request_id
        if request.caller is not None:
            made["caller"] = request.caller
        if request.owner is not None:
            made["owner"] = request.owner
        made[_TRACE] = self._traces + request.trace_id
        made[_SPAN] = request.span_id
        made[_SAMPLED] = request.sampled


def _add_event(made: dict[str, Any], event: Event, request: CurrentRequest | None) -> None:
    """An event's facts; of an answer those of the picture that was made for it, and a list where it is several."""
    if not isinstance(event, Answered):
        _add_facts(made, event)
        return
    if request is not None and request.made:
        _add_facts(made, request.made[-1])
        if len(request.made) > 1:
            made["made"] = [_add_facts({}, each) for each in request.made]
    made["event"] = name_of(event)
    made["route"] = event.route
    made["httpRequest"] = {
        "requestMethod": event.method,
        "requestUrl": event.shown or event.route,
        "status": event.status,
        "latency": f"{event.seconds:.6f}s",
    }


def _add_facts(made: dict[str, Any], event: Event) -> dict[str, Any]:
    made["event"] = name_of(event)
    for name in event.__match_args__:
        made[name] = getattr(event, name)
    return made


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return masked(value) if isinstance(value, str) else value


def _encoded(made: dict[str, Any]) -> str:
    try:
        return orjson.dumps(made, default=float).decode()  # a Decimal, of dollars
    except TypeError:  # half a surrogate pair, which no UTF-8 can hold
        return json.dumps(made, default=float)
