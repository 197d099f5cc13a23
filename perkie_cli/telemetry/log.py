"""The server's log on stderr: events and messages as lines in UTC, each with the request that it belongs to.

As text for people, or as JSON in the fields of Cloud Logging (``json_log``).
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Literal, TextIO

from perkie_cli.domain.events import (
    Answered,
    Arrived,
    Audited,
    AuditLost,
    BreakerChanged,
    CacheLookup,
    CacheTrimmed,
    CutoutEnded,
    Degraded,
    Event,
    PictureEnded,
    QueueChanged,
    QuotaUsed,
    RateRefused,
    SettingShadowed,
    Spent,
    Started,
    StoreAnswered,
    StoreBack,
    StoreFailed,
    StyleLeftOut,
    UploadEnded,
    UpstreamCalled,
    UpstreamRetried,
    UpstreamSpared,
    WaitEnded,
    WorkRefused,
)
from perkie_cli.domain.secret import masked
from perkie_cli.system.current_request import CurrentRequest, current_request
from perkie_cli.telemetry.outages import Outages
from perkie_cli.telemetry.told import NAME, EventRecord, utc

Format = Literal["text", "json"]
log = logging.getLogger(NAME)
_OF_STORES = (StoreFailed, StoreAnswered)
_MADE = (PictureEnded, CutoutEnded)
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")  # all but the tab
LEVELS: dict[type[Event], int] = {
    **dict.fromkeys(
        (AuditLost, BreakerChanged, CacheTrimmed, Degraded, SettingShadowed, StoreBack, StoreFailed, StyleLeftOut),
        logging.WARNING,
    ),
    **dict.fromkeys((Audited, CutoutEnded, PictureEnded, Started, UpstreamRetried), logging.INFO),
    **dict.fromkeys(
        (
            *(Answered, Arrived, CacheLookup, QueueChanged, QuotaUsed, RateRefused, Spent, StoreAnswered),
            *(UploadEnded, UpstreamCalled, UpstreamSpared, WaitEnded, WorkRefused),
        ),
        logging.DEBUG,
    ),
}
"""The level of every kind of event."""


class EventLog:
    """Logs every event at its kind's level; of a store that stays down only the first failure and the return."""

    def __init__(self, *, wide: bool = False) -> None:
        """``wide``: one line an answer at INFO, which also has what was made for it; for a log with fields."""
        self._outages = Outages()
        self._wide = wide
        self._levels = {**LEVELS, Answered: logging.INFO if wide else LEVELS[Answered]}

    def emit(self, event: Event) -> None:
        """Logs the event."""
        kind = type(event)
        level = self._levels[kind]
        if kind in _OF_STORES:
            told = self._outages.told(event)
            event, level = (event, logging.DEBUG) if told is None else (told, self._levels[type(told)])
        elif self._wide and kind in _MADE and (request := current_request()) is not None:
            request.made.append(event)
            level = logging.DEBUG
        if log.isEnabledFor(level):
            log.handle(EventRecord(event, level))


class Lines(logging.Formatter):
    """``TIME LEVEL message [request=… caller=… owner=…]``; the time in UTC with milliseconds.

    The one place that decides how a line looks: a record has the request as ``record.request``, if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line without passwords: no text from outside can begin another one, or change a terminal.

        Those of an exception follow indented, since its message may look like a line of its own.
        """
        text = _shown(f"{utc(record)} {record.levelname} {record.getMessage()}")
        request: CurrentRequest | None = getattr(record, "request", None)
        if request is not None:
            text = f"{text} [{_named(request)}]"
        if record.exc_info:
            lines = masked(self.formatException(record.exc_info)).split("\n")
            text = "\n".join([text, *(f"  {_shown(line)}" for line in lines)])
        return text


def _shown(text: str) -> str:
    """On one line, and without passwords."""
    text = masked(text)
    return text if text.isprintable() else _CONTROLS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _named(request: CurrentRequest) -> str:
    facts = {"request": request.request_id, "caller": request.caller, "owner": request.owner}
    return " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)


def _with_request(record: logging.LogRecord) -> bool:
    record.request = current_request()
    return True


def log_to_stderr(*, verbose: bool, format_: Format = "text", project: str | None = None) -> None:
    """Logs to stderr. Libraries never below INFO: at DEBUG they log headers and messages, with keys.

    ``project``: that of the traces in Cloud Logging.
    """
    handler = handler_on(sys.stderr, format_, project)
    logging.basicConfig(handlers=[handler], level=logging.INFO if verbose else logging.WARNING)
    logging.getLogger("perkie").setLevel(logging.DEBUG if verbose else logging.INFO)
    leave_out_unseen()
    logging.captureWarnings(capture=True)  # of libraries: they may repeat what an upstream has said


def leave_out_unseen() -> None:
    """Spares each record what no format here shows: threads and processes."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def handler_on(stream: TextIO, format_: Format = "text", project: str | None = None) -> logging.Handler:
    """Writes lines of that format to ``stream``."""
    handler = logging.StreamHandler(stream)
    if format_ == "json":
        from perkie_cli.telemetry.json_log import JsonLines  # with orjson, of the extra serve

        handler.setFormatter(JsonLines(project))
    else:
        handler.setFormatter(Lines())
    handler.addFilter(_with_request)  # it runs in the thread and task that logs
    return handler
