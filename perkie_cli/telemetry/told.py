"""An event in words, for whichever form the log has."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from perkie_cli.domain.events import Answered, Event


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the argument of a record: the formatter decides what becomes of it."""

    event: Event

    def __str__(self) -> str:
        return line(self.event)


def name_of(event: Event) -> str:
    """``picture_ended``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def facts_of(event: Event) -> dict[str, Any]:
    """The event's fields."""
    return {field.name: getattr(event, field.name) for field in fields(event)}


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
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
