"""The part of the admin API that all emulators share: the fault plan and the clock, both with a lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from perkie_cli.domain.errors import BadInput
from perkie_cli.emulators.fault_plan import Faults
from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.lease import take_lease
from perkie_cli.emulators.skew import SkewedClock, parse_offset

PLAN = "/_emulator/plan"
CLOCK = "/_emulator/clock"
# Replaces the plan by a table's, for that many seconds or without end. Raises: BadInput.
Replace = Callable[[object, float | None], None]


def answer_shared(
    request: Request, faults: Faults[Any], clock: SkewedClock, replace: Replace, beside: Callable[[], Mapping[str, Any]]
) -> Response | None:
    """Answers ``GET``, ``PUT`` and ``DELETE`` of the plan and of the clock; None for other calls.

    ``beside``: what the emulator's plan has next to its faults.
    """

    def set_clock(table: object, lease: float | None) -> None:
        clock.set(parse_offset(table), lease)

    def plan() -> Mapping[str, Any]:
        return {**beside(), "fault": faults.rows(), "met": list(faults.met), "left": faults.lease.left}

    def time() -> Mapping[str, Any]:
        return {"offset": clock.offset, "now": clock.now().isoformat(), "left": clock.lease.left}

    if request.method not in ("GET", "PUT", "DELETE"):
        return None
    if request.path == PLAN:
        return _answer(request, replace, plan)
    return _answer(request, set_clock, time) if request.path == CLOCK else None


def no_admin_call(request: Request) -> Response:
    """The answer to a call that the admin API does not have."""
    return Response.of({"error": f"{request.method} {request.path} is not an admin call"}, 404)


def _answer(request: Request, replace: Replace, shown: Callable[[], Mapping[str, Any]]) -> Response:
    try:
        if request.method != "GET":
            replace(*take_lease(request.json() if request.method == "PUT" else {}))
    except BadInput as error:
        return Response.of({"error": error.message, "hint": error.hint}, 400)
    except ValueError as error:
        return Response.of({"error": str(error)}, 400)
    return Response.of(shown())
