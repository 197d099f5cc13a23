"""What repeats in a log or a list of changes, told once."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from perkie_cli.domain.records import LogLine

T = TypeVar("T")
Row = tuple[str, ...]

MOST = 10_000  # messages that are told apart; of more, those that came last
SHOWN = 3  # a run of up to so many is shown as it is
_HINT = re.compile(r"(.*?)(?: \(((?:[^()]|\([^()]*\))*)\))?")  # a hint comes last, in brackets
_MEASURES = re.compile(r"\b(?:seconds|open_for|wait|waited)=[\d.]+")


def hint_apart(message: str) -> tuple[str, str]:
    """A message of the log, and its hint, which may be empty."""
    match = _HINT.fullmatch(message)
    return (match[1], match[2] or "") if match else (message, "")


@dataclass(slots=True)
class Repeated:
    """A message: the last line that says it, how many do, and when the first one came."""

    last: LogLine
    first: datetime
    count: int = 1


class Repeats:
    """Lines of a log by what they say: level and message, without hint and measured times."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Repeated] = {}

    def add(self, line: LogLine) -> None:
        """Counts one line, which came last."""
        text, _ = hint_apart(line.message)
        key = (line.level, _MEASURES.sub("", text))
        found = self._found.pop(key, None)
        if found is None:
            self._found[key] = Repeated(line, line.time)
        else:
            self._found[key] = Repeated(line, found.first, found.count + 1)
        if len(self._found) > MOST:
            del self._found[next(iter(self._found))]

    def latest(self, limit: int) -> Sequence[Repeated]:
        """The ``limit`` messages that were said last, the newest last."""
        return [*self._found.values()][-limit:]


def runs_shortened(records: Iterable[T], kind: Callable[[T], Hashable], row: Callable[[T], Row], at: int) -> list[Row]:
    """The records as rows; of more than ``SHOWN`` of one kind in a row the first, the last, and the number between
    them, in column ``at``.
    """
    rows: list[Row] = []
    for _, each in groupby(records, kind):
        run = [*each]
        if len(run) <= SHOWN:
            rows += map(row, run)
            continue
        first = row(run[0])
        between = tuple(f"… {len(run) - 2} more" if column == at else "" for column in range(len(first)))
        rows += [first, between, row(run[-1])]
    return rows
