"""Fault plans: which faults an emulator injects into which calls; from a TOML or JSON file, or by its admin API."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from math import inf
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import why_unread
from perkie_cli.emulators.lease import Lease
from perkie_cli.ports import Clock


@frozen(kw_only=True)
class PlannedFault:
    """When a fault applies; each emulator adds the calls and the effect.

    ``share`` of the matching calls, at random; ``begin`` and ``end`` in seconds since the start, or since the plan was
    set if it has a lease; ``first``: at most this many calls. Raises: InvalidParameter.
    """

    share: float = 1.0
    begin: float = 0.0
    end: float = float("inf")
    first: float = float("inf")

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvalidParameter("share must be between 0 and 1")


F = TypeVar("F", bound=PlannedFault)
R = TypeVar("R")


class Faults(Generic[F]):
    """A running plan: random choices from ``seed``, and the count of each fault.

    ``met``: how many calls met each fault of the last plan that had any; kept after its end.
    """

    def __init__(self, clock: Clock, plan: Sequence[F] = (), seed: int = 0) -> None:
        self.lease = Lease(clock)
        self.met: list[int] = []
        self._clock = clock
        self._began = self._since = clock.monotonic()
        self._set(plan)
        self.restart(seed)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic() - self._began

    @property
    def plan(self) -> tuple[F, ...]:
        """The faults in force: none once their lease has ended."""
        return self._plan if self.lease.runs else ()

    def set(self, plan: Sequence[F], lease: float | None = None) -> None:
        """Replaces the plan; an empty one ends all faults.

        With a ``lease`` in seconds they end by themselves, and their times count from now, not from the start.
        """
        self.lease.begin(lease)
        self._set(plan)
        self._since = self._began if lease is None else self._clock.monotonic()

    def restart(self, seed: int = 0) -> None:
        """Resets time, randomness and counts; a lease still ends when it would have."""
        self._began = self._since = self._clock.monotonic()
        self._dice = random.Random(seed)  # noqa: S311 -- faults, no secrets
        self.met = [0] * len(self.met)

    def choose(self, fits: Callable[[F], bool]) -> F | None:
        """The fault for a call: the first one that applies now and ``fits`` the call, if any."""
        elapsed = self._clock.monotonic() - self._since
        for number, fault in enumerate(self.plan):
            due = fault.begin <= elapsed < fault.end and self.met[number] < fault.first
            if due and fits(fault) and (fault.share >= 1 or self._dice.random() < fault.share):
                self.met[number] += 1
                return fault
        return None

    def rows(self) -> list[dict[str, Any]]:
        """The faults in force as a plan has them."""
        return [
            {key: value for key, value in asdict(fault).items() if value not in (inf, None, ())} for fault in self.plan
        ]

    def _set(self, plan: Sequence[F]) -> None:
        self._plan = tuple(plan)
        if plan:
            self.met = [0] * len(plan)


def read_plan(path: Path) -> object:
    """Reads the table from a ``.json`` file, or from TOML.

    Raises: UnreadableFile, InvalidParameter.
    """
    try:
        text = path.read_text("utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"fault plan {path} cannot be read: {why_unread(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(f"fault plan {path}: {error}") from error


def parse_faults(table: object, kind: type[F], beside: Collection[str] = ()) -> tuple[F, ...]:
    """The rows of ``{"fault": [{"kind": "error", "share": 0.3}, …]}``; ``beside``: other allowed keys of the table.

    Raises: InvalidParameter, naming the entry.
    """
    rows = table.get("fault", []) if isinstance(table, Mapping) and table.keys() <= {"fault", *beside} else None
    if not isinstance(rows, list):
        others = "".join(f"[{name}] and " for name in beside)
        raise InvalidParameter(f"a fault plan holds {others}[[fault]] entries only")
    return tuple(parse_record(row, kind, f"fault {number}") for number, row in enumerate(rows, start=1))


def parse_record(row: object, kind: type[R], name: str) -> R:
    """A dataclass of numbers, texts, choices and lists of numbers from a table.

    Raises: InvalidParameter, beginning with ``name``.
    """
    wanted = get_type_hints(kind)
    if not isinstance(row, Mapping) or not row.keys() <= wanted.keys():
        raise InvalidParameter(f"{name}: not a table of {', '.join(sorted(wanted))}")
    missing = dict.fromkeys(wanted.keys() & {"kind"} - row.keys())  # a fault of no kind
    try:
        return kind(**{key: _value(key, wanted[key], value) for key, value in {**missing, **row}.items()})
    except InvalidParameter as error:
        raise InvalidParameter(f"{name}: {error.message}", hint=error.hint) from error


def _value(key: str, wanted: Any, value: object) -> object:
    if isinstance(wanted, UnionType):
        (wanted,) = set(get_args(wanted)) - {NoneType}
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        if value in list(wanted):
            return wanted(str(value))
        what = f"{key} is missing" if value is None else f"{key} {value!r} is not known"
        raise InvalidParameter(what, hint=f"Known: {', '.join(wanted)}.")
    if wanted is str:
        if isinstance(value, str):
            return value
        raise InvalidParameter(f"{key}: {value!r} is not a string")
    if wanted in (int, float):
        if _is_number(value):
            return value
        raise InvalidParameter(f"{key}: {value!r} is not a number from 0")
    if isinstance(value, list) and all(map(_is_number, value)):
        return tuple(value)
    raise InvalidParameter(f"{key}: {value!r} is not a list of numbers")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
