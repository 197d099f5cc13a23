"""The server's log on stderr: events and messages as lines in UTC, each with the request that it belongs to."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TextIO

from perkie_cli.domain.events import (
    Audited,
    AuditLost,
    BreakerChanged,
    CacheTrimmed,
    Degraded,
    Event,
    SettingShadowed,
    StoreAnswered,
    StoreBack,
    StoreFailed,
    StyleLeftOut,
    UpstreamRetried,
)
from perkie_cli.domain.secret import masked
from perkie_cli.system.current_request import CurrentRequest, current_request
from perkie_cli.telemetry.outages import Outages

log = logging.getLogger("perkie.events")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")  # all but the tab
_LEVELS: dict[type[Event], int] = {  # all others: DEBUG
    **dict.fromkeys(
        (AuditLost, BreakerChanged, CacheTrimmed, Degraded, SettingShadowed, StoreBack, StoreFailed, StyleLeftOut),
        logging.WARNING,
    ),
    **dict.fromkeys((Audited, UpstreamRetried), logging.INFO),
}


class EventLog:
    """Logs every event at its type's level; of a store that stays down the first failure and the return."""

    def __init__(self) -> None:
        self._outages = Outages()

    def emit(self, event: Event) -> None:
        """Logs the event."""
        told = self._outages.told(event)
        if told is None and isinstance(event, StoreAnswered):
            return  # the usual case, several times a request
        level = logging.DEBUG if told is None else _LEVELS.get(type(told), logging.DEBUG)
        if log.isEnabledFor(level):
            log.log(level, "%s", line(told or event))


def line(event: Event) -> str:
    """The event's name and facts, always on one line: upstream texts may contain line breaks. A hint comes last."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    hint = values.pop("hint", None)
    facts = ", ".join(f"{name}={v:.3f}" if isinstance(v, float) else f"{name}={v}" for name, v in values.items())
    return " ".join(f"{name}: {facts}{f' ({hint})' if hint else ''}".split())


class Lines(logging.Formatter):
    """``TIME LEVEL message [request=… caller=… owner=…]``; the time in UTC with milliseconds.

    The one place that decides how a line looks: a record has the request as ``record.request``, if there is one.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """RFC 3339 with ``Z``."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        """One line without passwords: no text from outside can begin another one, or change a terminal."""
        text = _CONTROLS.sub(_escaped, masked(super().formatMessage(record)))
        request: CurrentRequest | None = getattr(record, "request", None)
        return text if request is None else f"{text} [{_named(request)}]"

    def formatException(self, ei: Any) -> str:  # noqa: N802  the library's name
        """Indented, since an exception's message may look like a line of its own."""
        lines = masked(super().formatException(ei)).split("\n")
        return "\n".join(f"  {_CONTROLS.sub(_escaped, line)}" for line in lines)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _named(request: CurrentRequest) -> str:
    facts = {"request": request.request_id, "caller": request.caller, "owner": request.owner}
    return " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)


def _with_request(record: logging.LogRecord) -> bool:
    record.request = current_request()
    return True


def log_to_stderr(*, verbose: bool) -> None:
    """Logs to stderr. Libraries never below INFO: at DEBUG they log headers and messages, with keys."""
    logging.basicConfig(handlers=[handler_on(sys.stderr)], level=logging.INFO if verbose else logging.WARNING)
    logging.getLogger("perkie").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)  # of libraries: they may repeat what an upstream has said


def handler_on(stream: TextIO) -> logging.Handler:
    """Writes ``Lines`` to ``stream``."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    handler.addFilter(_with_request)  # it runs in the thread and task that logs
    return handler
