"""The fault plan: what the emulator does to which call. Read from TOML or JSON, changed live by the admin API."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.plan_file import read_plan_file

CODES = ("ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED")
GROUPS: Mapping[str, frozenset[str]] = {
    "read": frozenset({"BatchGetDocuments", "GetDocument", "ListDocuments", "RunQuery", "RunAggregationQuery"}),
    "commit": frozenset({"Commit"}),
    "begin": frozenset({"BeginTransaction"}),
}


class Kind(StrEnum):
    """What can be done to a call."""

    ERROR = "error"  # ``code`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    HANG = "hang"  # never an answer
    LOST = "lost"  # it is done, but the answer is UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the plan: to which calls, and what.

    ``method`` is read, commit, begin, an RPC's name, or None for all; ``share`` of those by chance; ``begin`` and
    ``end`` in seconds since the start; ``first``: only so many of them.
    """

    kind: Kind
    method: str | None = None
    share: float = 1.0
    begin: float = 0.0
    end: float = float("inf")
    first: float = float("inf")
    code: str = "UNAVAILABLE"
    seconds: float = 1.0

    def fits(self, method: str, elapsed: float) -> bool:
        """Whether this call may be hit."""
        named = self.method is None or self.method == method or method in GROUPS.get(self.method, ())
        return named and self.begin <= elapsed < self.end


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults; the first that fits a call is done to it."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Plan:
        """A ``.json`` file, or TOML.

        Raises: UnreadableFile, InvalidParameter.
        """
        return cls.parse(read_plan_file(path))

    @classmethod
    def parse(cls, table: object) -> Plan:
        """``{"fault": [{"kind": "error", "method": "commit", "code": "ABORTED", "share": 0.3}, …]}``.

        Raises: InvalidParameter, naming the entry.
        """
        rows = table.get("fault", []) if isinstance(table, Mapping) and table.keys() <= {"fault"} else None
        if not isinstance(rows, list):
            raise InvalidParameter("a fault plan holds [[fault]] entries only")
        return cls(tuple(_fault(row, f"fault {number}") for number, row in enumerate(rows, start=1)))


class Faults:
    """A plan at work: chance from ``seed``, and how often each fault was met."""

    def __init__(self, plan: Plan, seed: int = 0) -> None:
        self._rng = random.Random(seed)  # noqa: S311 -- faults, no secrets
        self.set(plan)

    def set(self, plan: Plan) -> None:
        """Another plan, from now on."""
        self.plan = plan
        self._met = [0] * len(plan.faults)

    def choose(self, method: str, elapsed: float) -> Fault | None:
        """What to do to a call, ``elapsed`` seconds after the start."""
        for number, fault in enumerate(self.plan.faults):
            if not fault.fits(method, elapsed) or self._met[number] >= fault.first:
                continue
            if fault.share >= 1 or self._rng.random() < fault.share:
                self._met[number] += 1
                return fault
        return None


def _fault(row: object, name: str) -> Fault:
    known = {each.name for each in fields(Fault)}
    if not isinstance(row, Mapping) or not row.keys() <= known:
        raise InvalidParameter(f"{name}: not a table of {', '.join(sorted(known))}")
    values: dict[str, Any] = {key: _value(key, value, name) for key, value in row.items()}
    if "kind" not in values:
        raise InvalidParameter(f"{name}: kind is missing", hint=f"Kinds: {', '.join(Kind)}.")
    return Fault(**values)


def _value(key: str, value: object, name: str) -> object:
    if key == "kind":
        if value not in list(Kind):
            raise InvalidParameter(f"{name}: kind {value!r} is not known", hint=f"Kinds: {', '.join(Kind)}.")
        return Kind(str(value))
    if key == "code":
        if value not in CODES:
            raise InvalidParameter(f"{name}: code {value!r} is not known", hint=f"Codes: {', '.join(CODES)}.")
        return value
    if key == "method":
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or (key == "share" and value > 1):
        raise InvalidParameter(f"{name}: {key}: {value!r} is not a number from 0{' to 1' if key == 'share' else ''}")
    return value
