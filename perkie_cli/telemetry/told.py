"""An event in words, for whichever form the log has."""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from perkie_cli.domain.events import Answered, Event

NAME = "perkie.events"
_UNSAID = vars(logging.LogRecord(NAME, logging.NOTSET, "", 0, None, None, None))


class EventRecord(logging.LogRecord):
    """An event on its way to the log: the formatter decides what becomes of it.

    The library would look for threads, tasks and the calling line, which no format shows.
    """

    def __init__(self, event: Event, level: int) -> None:
        now, name = time.time(), logging.getLevelName(level)
        told = {"levelno": level, "levelname": name, "created": now, "msecs": now % 1 * 1000, "event": event}
        self.__dict__ = _UNSAID | told

    event: Event

    def getMessage(self) -> str:  # noqa: N802  the library's name
        """The event's line."""
        return line(self.event)


def name_of(event: Event) -> str:
    """``picture_ended``."""
    return _in_words(type(event).__name__)


@cache
def _in_words(kind: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()


def facts_of(event: Event) -> dict[str, Any]:
    """The event's fields."""
    return {name: getattr(event, name) for name in event.__match_args__}


def line(event: Event) -> str:
    """The event's name and facts, always on one line: upstream texts may contain line breaks. A hint comes last."""
    if isinstance(event, Answered):
        return f"{event.method} {event.shown or event.route}: {event.status} in {event.seconds:.3f} s"
    values = facts_of(event)
    hint = values.pop("hint", None)
    facts = ", ".join([f"{name}={v:.3f}" if isinstance(v, float) else f"{name}={v}" for name, v in values.items()])
    return " ".join(f"{name_of(event)}: {facts}{f' ({hint})' if hint else ''}".split())


def utc(record: logging.LogRecord) -> str:
    """The record's time as RFC 3339 with milliseconds and ``Z``."""
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]
