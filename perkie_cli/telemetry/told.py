"""An event in words, for whichever form the log has."""

from __future__ import annotations

import logging
import re
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from perkie_cli.domain.events import Answered, Event


class Told:
    """An event as the argument of a record: the formatter decides what becomes of it."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def __str__(self) -> str:
        return line(self.event)


def name_of(event: Event) -> str:
    """``picture_ended``."""
    return _shape(type(event))[0]


def facts_of(event: Event) -> dict[str, Any]:
    """The event's fields."""
    return {name: getattr(event, name) for name in _shape(type(event))[1]}


_shapes: dict[type[Event], tuple[str, tuple[str, ...]]] = {}


def _shape(kind: type[Event]) -> tuple[str, tuple[str, ...]]:
    """The name of a kind of event, and of its fields."""
    if (known := _shapes.get(kind)) is None:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        known = _shapes[kind] = name, tuple(field.name for field in fields(kind))
    return known


def line(event: Event) -> str:
    """The event's name and facts, always on one line: upstream texts may contain line breaks. A hint comes last."""
    if isinstance(event, Answered):
        return f"{event.method} {event.shown or event.route}: {event.status} in {event.seconds:.3f} s"
    values = facts_of(event)
    hint = values.pop("hint", None)
    facts = ", ".join(f"{name}={v:.3f}" if isinstance(v, float) else f"{name}={v}" for name, v in values.items())
    return " ".join(f"{name_of(event)}: {facts}{f' ({hint})' if hint else ''}".split())


def utc(record: logging.LogRecord) -> str:
    """The record's time as RFC 3339 with milliseconds and ``Z``."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
