"""Faults on purpose: slow, refusing, resetting, hanging. Read from TOML or JSON, changed live under ``CONTROL``."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.http_server import Request, Response, Wire
from perkie_cli.emulators.plan_file import read_plan_file
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.ports import Clock

CONTROL = "/_emulator/plan"
READS = ("GET", "HEAD")


class Kind(StrEnum):
    """What can be done to a request."""

    ERROR = "error"  # ``status`` at once
    SLOW = "slow"  # ``seconds`` later than usual
    RESET = "reset"  # the connection drops
    HANG = "hang"  # never an answer


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the plan: to which requests, and what.

    ``method`` is read, write or None for all; ``share`` of those by chance; ``begin`` and ``end`` in seconds since the
    start; ``first``: only so many of them.
    """

    kind: Kind
    method: str | None = None
    share: float = 1.0
    begin: float = 0.0
    end: float = float("inf")
    first: float = float("inf")
    status: int = 503
    seconds: float = 1.0

    def fits(self, request: Request, elapsed: float) -> bool:
        """Whether this request may be hit."""
        group = "read" if request.method in READS else "write"
        return self.method in (None, group) and self.begin <= elapsed < self.end


def read_plan(path: Path) -> tuple[Fault, ...]:
    """``[[fault]]`` entries of a TOML file, or the same as JSON.

    Raises: UnreadableFile, InvalidParameter.
    """
    return parse_plan(read_plan_file(path))


def parse_plan(table: object) -> tuple[Fault, ...]:
    """``{"fault": [{"kind": "error", "method": "write", "status": 429, "share": 0.3}, …]}``.

    Raises: InvalidParameter, naming the entry.
    """
    rows = table.get("fault", []) if isinstance(table, Mapping) and table.keys() <= {"fault"} else None
    if not isinstance(rows, list):
        raise InvalidParameter("a fault plan holds [[fault]] entries only")
    return tuple(_fault(row, f"fault {number}") for number, row in enumerate(rows, start=1))


def _fault(row: object, name: str) -> Fault:
    known = {each.name for each in fields(Fault)}
    if not isinstance(row, Mapping) or not row.keys() <= known:
        raise InvalidParameter(f"{name}: not a table of {', '.join(sorted(known))}")
    if row.get("kind") not in list(Kind):
        raise InvalidParameter(f"{name}: kind {row.get('kind')!r} is not known", hint=f"Kinds: {', '.join(Kind)}.")
    if row.get("method") not in (None, "read", "write"):
        raise InvalidParameter(f"{name}: method is read or write")
    for key, value in row.items():
        if key not in ("kind", "method") and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InvalidParameter(f"{name}: {key}: {value!r} is not a number")
    return Fault(**{**row, "kind": Kind(row["kind"])})


class Faults:
    """A plan at work: chance from ``seed``; ``seen``: the last requests, in order."""

    def __init__(self, clock: Clock, plan: Sequence[Fault] = (), seed: int = 0) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._dice = random.Random(seed)  # noqa: S311  # dice, no secret
        self.seen: deque[str] = deque(maxlen=10_000)
        self.set(*plan)

    def set(self, *plan: Fault) -> None:
        """Another plan, from now on; none heals."""
        self.plan = plan
        self._met = [0] * len(plan)

    async def apply(self, request: Request, wire: Wire) -> bool:
        """True when nobody is left to answer.

        Raises: ApiError.
        """
        self.seen.append(f"{request.method} {request.raw_path}")
        for number, fault in enumerate(self.plan):
            if not self._hits(number, fault, request):
                continue
            match fault.kind:
                case Kind.SLOW:
                    await asyncio.sleep(fault.seconds)
                case Kind.ERROR:
                    raise ApiError(fault.status, f"injected fault {fault.status}")
                case Kind.RESET:
                    wire.reset()
                    return True
                case Kind.HANG:
                    await asyncio.Event().wait()
        return False

    def _hits(self, number: int, fault: Fault, request: Request) -> bool:
        elapsed = self._clock.monotonic() - self._began
        if not fault.fits(request, elapsed) or self._met[number] >= fault.first:
            return False
        hit = fault.share >= 1 or self._dice.random() < fault.share
        self._met[number] += hit
        return hit

    def control(self, request: Request) -> Response:
        """``GET`` shows the plan, ``PUT`` replaces it, ``DELETE`` heals."""
        try:
            if request.method == "PUT":
                self.set(*parse_plan(request.json()))
            elif request.method == "DELETE":
                self.set()
        except (InvalidParameter, ValueError) as error:
            return ApiError(400, str(error)).response()
        rows = [{key: value for key, value in asdict(fault).items() if value != float("inf")} for fault in self.plan]
        return Response.of({"fault": rows})
