"""Reads the server's log again, text or JSON, also with what journald or Docker put before each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from perkie_cli.domain.events import PictureEnded
from perkie_cli.domain.records import LogLine

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<message>.*?)"
    r"(?: \[request=(?P<request>\S+?)(?: caller=(?P<caller>\S+?))?(?: owner=(?P<owner>\S+?))?\])?\s*"
)
_FACT = re.compile(r"(\w+)=([^,\s]+)")
_EVENT = re.compile(r"([a-z]+(?:_[a-z]+)*): ")


def read_log(lines: Iterable[str]) -> Iterator[LogLine]:
    """The lines that are perkie's. Others, such as tracebacks and those of other programs, are passed over."""
    for line in lines:
        found = _from_json(line) if "{" in line and '"severity"' in line else _from_text(line)
        if found is not None:
            yield found


def read_pictures(lines: Iterable[str]) -> Iterator[tuple[datetime, PictureEnded]]:
    """The pictures that a server was asked for, with their times; from either form of its log."""
    for line in lines:
        if "picture_ended" not in line and '"style"' not in line:
            continue
        for found in read_log([line]):
            yield from ((found.time, picture) for picture in _pictures(line, found.message))


def _pictures(line: str, message: str) -> Iterator[PictureEnded]:
    if message.startswith("picture_ended: "):
        facts = dict(_FACT.findall(message))
        if (made := _picture(facts)) is not None:
            yield made
    elif '"httpRequest"' in line:  # one line an answer, with what was made for it
        answer: Any = json.loads(line[line.index("{") :])
        many = answer.get("made", [answer])
        for each in many if isinstance(many, list) else ():
            if isinstance(each, dict) and (made := _picture(each)) is not None:
                yield made


def _picture(facts: dict[str, Any]) -> PictureEnded | None:
    """Cut-outs have no style."""
    try:
        style, engine, model, cache, outcome = (
            str(facts[name]) for name in ("style", "engine", "model", "cache", "outcome")
        )
        return PictureEnded(style, engine, model, cache, outcome, float(facts["seconds"]))
    except (KeyError, ValueError, TypeError):
        return None


def _from_text(line: str) -> LogLine | None:
    start = _LINE.search(line)
    match = None if start is None else _LINE.fullmatch(line, start.start())
    if match is None:
        return None
    event = _EVENT.match(match["message"])
    return LogLine(
        datetime.fromisoformat(match["time"]),
        match["level"],
        event and event[1],
        match["message"],
        match["request"],
        match["caller"],
        match["owner"],
    )


def _from_json(line: str) -> LogLine | None:
    try:
        made: Any = json.loads(line[line.index("{") :])
        time = datetime.fromisoformat(str(made["time"]))
        level, message = str(made["severity"]), str(made["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if level not in LEVELS or time.tzinfo is None:
        return None
    texts = (value if isinstance(value := made.get(name), str) else None for name in ("request_id", "caller", "owner"))
    event = made.get("event")
    return LogLine(time.astimezone(UTC), level, event if isinstance(event, str) else None, message, *texts)
