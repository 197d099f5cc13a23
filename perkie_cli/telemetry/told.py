"""An event in words, for whichever form the log has."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from perkie_cli.domain.events import Answered, Event

NAME = "perkie.events"


class EventRecord(logging.LogRecord):
    """An event on its way to the log: the formatter decides what becomes of it.

    The library would look for threads, tasks and the calling line, which no format shows.
    """

    def __init__(self, event: Event, level: int) -> None:
        self.__dict__ = _blank(level).copy()
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.event = event

    def getMessage(self) -> str:  # noqa: N802  the library's name
        """The event's line."""
        return line(self.event)


@cache
def _blank(level: int) -> dict[str, Any]:
    return vars(logging.LogRecord(NAME, level, "", 0, None, None, None))


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
    kind: Any = type(event)  # mypy takes classes whose objects have a hash of their own for unhashable
    form, names = _form(kind)
    text = form % tuple([getattr(event, name) for name in names])
    hint = getattr(event, "hint", None)
    return " ".join((f"{text} ({hint})" if hint else text).split())


@cache
def _form(kind: Any) -> tuple[str, Sequence[str]]:
    """How the facts of a kind of event are written, and their names."""
    names = [name for name in kind.__match_args__ if name != "hint"]
    facts = (f"{name}={'%.3f' if kind.__annotations__[name] == 'float' else '%s'}" for name in names)
    return f"{_in_words(kind.__name__)}: {', '.join(facts)}", names


def utc(record: logging.LogRecord) -> str:
    """The record's time as RFC 3339 with milliseconds and ``Z``."""
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:-6]
