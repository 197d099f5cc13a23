"""The fault plan: what the emulator does to which call. Read from TOML or JSON, changed live by the admin API."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.plan_file import read_plan_file


class Kind(StrEnum):
    """What can be done to a call."""

    OUTAGE = "outage"  # 503 at once
    ERROR = "error"  # any ``status`` with its error body
    OVERLOADED = "overloaded"  # 429, with RetryInfo where ``retry_after`` is set
    SLOW = "slow"  # ``seconds`` later than usual, then a good answer
    HANG = "hang"  # never an answer
    DRIP = "drip"  # a good answer, spread over ``seconds``
    RESET = "reset"  # the connection is reset before the answer
    TRUNCATED = "truncated"  # the connection ends in the middle of the answer
    CORRUPT = "corrupt"  # a picture that is none; ``how``: cut, noise, small
    EMPTY = "empty"  # no picture; ``how``: object, content, text, zero
    BLOCKED = "blocked"  # ``reason``; ``how``: answer, prompt
    WRONG_JSON = "wrong_json"  # ``how``: html, shape, half


HOWS = {
    Kind.CORRUPT: ("cut", "noise", "small"),
    Kind.EMPTY: ("object", "content", "text", "zero"),
    Kind.BLOCKED: ("answer", "prompt"),
    Kind.WRONG_JSON: ("html", "shape", "half"),
}


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call takes: log-normal with this median and 95th percentile in seconds; 0 is at once."""

    median: float = 0.0
    p95: float = 0.0

    def draw(self, rng: random.Random) -> float:
        """Seconds."""
        if self.median <= 0:
            return 0.0
        from math import exp, log

        sigma = max(0.0, log(max(self.p95, self.median) / self.median)) / 1.645  # the normal's 95th percentile
        return self.median * exp(rng.gauss(0.0, sigma))


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the plan: to which calls, and what.

    ``share`` of the calls that fit, by chance; ``begin`` and ``end`` in seconds since the start; ``calls`` by number,
    from 1, or all; ``model`` only of that model. ``how`` picks a variety, by chance where it is not set.
    """

    kind: Kind
    share: float = 1.0
    begin: float = 0.0
    end: float = float("inf")
    calls: tuple[int, ...] = ()
    model: str | None = None
    how: str | None = None
    status: int = 503
    reason: str = "SAFETY"
    retry_after: float | None = None
    seconds: float = 30.0

    def fits(self, number: int, elapsed: float, model: str, rng: random.Random) -> bool:
        """Whether this call is hit."""
        return (
            self.begin <= elapsed < self.end
            and (not self.calls or number in self.calls)
            and self.model in (None, model)
            and (self.share >= 1.0 or rng.random() < self.share)
        )

    def variety(self, rng: random.Random) -> str:
        """``how``, or one by chance."""
        return self.how or rng.choice(HOWS.get(self.kind, ("",)))


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults; the first that fits a call is done to it."""

    faults: tuple[Fault, ...] = ()
    latency: Latency = field(default_factory=Latency)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """A ``.json`` file, or TOML.

        Raises: UnreadableFile, InvalidParameter.
        """
        return cls.parse(read_plan_file(path))

    @classmethod
    def parse(cls, table: object) -> Plan:
        """``{"latency": {…}, "fault": [{…}, …]}``.

        Raises: InvalidParameter, naming the entry.
        """
        if not isinstance(table, Mapping) or not table.keys() <= {"latency", "fault"}:
            raise InvalidParameter("a fault plan holds [latency] and [[fault]] entries only")
        rows = table.get("fault", [])
        if not isinstance(rows, list):
            raise InvalidParameter("fault is not a list")
        faults = [_fault(row, f"fault {number}") for number, row in enumerate(rows, start=1)]
        return cls(tuple(faults), _record(Latency, table.get("latency", {}), "latency"))

    def choose(self, number: int, elapsed: float, model: str, rng: random.Random) -> Fault | None:
        """What to do to the ``number``-th call."""
        return next((fault for fault in self.faults if fault.fits(number, elapsed, model, rng)), None)


def _fault(row: object, name: str) -> Fault:
    fault = _record(Fault, row, name)
    if fault.how is not None and fault.how not in HOWS.get(fault.kind, ()):
        known = ", ".join(HOWS.get(fault.kind, ())) or "none"
        raise InvalidParameter(f"{name}: how = {fault.how!r} is not known for {fault.kind}", hint=f"Known: {known}.")
    if not 0 <= fault.share <= 1:
        raise InvalidParameter(f"{name}: share must lie between 0 and 1")
    return fault


R = TypeVar("R", Latency, Fault)


def _record(kind: type[R], row: object, name: str) -> R:
    """A dataclass of numbers, texts and lists of numbers from a table."""
    known = {each.name for each in fields(kind)}
    if not isinstance(row, Mapping) or not row.keys() <= known:
        raise InvalidParameter(f"{name}: not a table of {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for key, value in row.items():
        values[key] = _value(key, value, name)
    if kind is Fault and "kind" not in values:
        raise InvalidParameter(f"{name}: kind is missing", hint=f"Kinds: {', '.join(Kind)}.")
    return kind(**values)


_TEXTS = {"model", "how", "reason"}


def _value(key: str, value: object, name: str) -> object:
    try:
        if key == "kind":
            return Kind(str(value))
        if key == "calls":
            return tuple(int(each) for each in value)  # type: ignore[attr-defined]  # a TypeError is told below
        if key in _TEXTS:
            return str(value)
    except (ValueError, TypeError) as error:
        hint = f"Kinds: {', '.join(Kind)}." if key == "kind" else None
        raise InvalidParameter(f"{name}: {key}: {error}", hint=hint) from error
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InvalidParameter(f"{name}: {key}: {value!r} is not a number from 0")
    return value
