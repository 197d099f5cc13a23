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
from perkie_cli.telemetry.told import EventRecord, facts_of, name_of, utc

_GOOGLE = "logging.googleapis.com/"


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
            made |= self._of_request(request)
        if isinstance(record, EventRecord):
            event = record.event
            made |= _of_answer(event, request) if isinstance(event, Answered) else _facts(event)
        if record.exc_info:
            made["stack_trace"] = self.formatException(record.exc_info)
        line = _encoded(made)
        return line if "://" not in line else _encoded(_masked(made))

    def _of_request(self, request: CurrentRequest) -> dict[str, Any]:
        made: dict[str, Any] = {"request_id": request.request_id}
        if request.caller is not None:
            made["caller"] = request.caller
        if request.owner is not None:
            made["owner"] = request.owner
        made[f"{_GOOGLE}trace"] = self._traces + request.trace_id
        made[f"{_GOOGLE}spanId"] = request.span_id
        made[f"{_GOOGLE}trace_sampled"] = request.sampled
        return made


def _of_answer(event: Answered, request: CurrentRequest | None) -> dict[str, Any]:
    """The answer, and the facts of the picture that was made for it; of several pictures a list."""
    made: dict[str, Any] = {}
    if request is not None and request.made:
        made = _facts(request.made[-1])
        if len(request.made) > 1:
            made["made"] = [_facts(each) for each in request.made]
    http = {
        "requestMethod": event.method,
        "requestUrl": event.shown or event.route,
        "status": event.status,
        "latency": f"{event.seconds:.6f}s",
    }
    return {**made, "event": name_of(event), "route": event.route, "httpRequest": http}


def _facts(event: Event) -> dict[str, Any]:
    return {"event": name_of(event), **facts_of(event)}


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
