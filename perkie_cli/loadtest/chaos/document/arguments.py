"""The arguments of perkie's own actions and probes: one meaning a name, wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.units import parse_duration
from perkie_cli.emulators.fault_plan import parse_faults
from perkie_cli.emulators.firestore.plan import FirestoreFault
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.lease import take_lease
from perkie_cli.emulators.skew import parse_offset
from perkie_cli.emulators.storage.faults import StorageFault
from perkie_cli.loadtest.chaos.document.plan import EMULATORS, Plan
from perkie_cli.loadtest.chaos.document.providers import is_loopback

PARSERS: Mapping[str, Callable[[object], object]] = {
    "gemini": GeminiPlan.parse,
    "storage": lambda table: parse_faults(table, StorageFault),
    "firestore": lambda table: parse_faults(table, FirestoreFault),
}


def seconds_of(value: object) -> float:
    """A duration: ``60``, ``60s``, ``1.5m``. Raises: InvalidParameter."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidParameter(f"{value!r} is not a duration such as 45s or 10m")
    try:
        return parse_duration(str(value)).total_seconds()
    except ValueError as error:
        raise InvalidParameter(str(error)) from error


def check_argument(name: str, value: Any, plan: Plan | None) -> None:
    """Checks a value; ``plan`` tells which processes there are. Raises: InvalidParameter."""
    if name == "process":
        _check_process(value, plan)
    elif name == "emulator":
        if not (is_loopback(value) or (value in EMULATORS and plan is not None and value in plan.emulators)):
            raise InvalidParameter(f"{value!r} is no emulator of this experiment, nor an address of this machine")
    elif name == "faults":
        _check_faults(value)
    elif name == "clock":
        rest, _ = leased(value)
        parse_offset(rest)
    elif name in ("within", "seconds", "lease"):
        seconds_of(value)
    elif name in ("count", "repeats", "sessions", "at_least", "at_most", "rate", "share") and not _is_count(value):
        raise InvalidParameter(f"{value!r} is not a number from 0")


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _check_process(value: object, plan: Plan | None) -> None:
    names = plan.processes if plan is not None else ()
    if value not in names:
        raise InvalidParameter(
            f"{value!r} is no process of this experiment",
            hint=f"Processes: {', '.join(names)}." if names else "Its extension perkie starts processes.",
        )


def leased(table: object) -> tuple[object, float]:
    """The table without its lease, which it must have. Raises: InvalidParameter."""
    rest, lease = take_lease(table)
    if lease is None:
        raise InvalidParameter("for is missing", hint="Such as for: 60s: then it ends by itself, come what may.")
    return rest, lease


def _check_faults(value: object) -> None:
    """A plan that at least one emulator understands; which one is asked when the address is known."""
    rest, _ = leased(value)
    wrong: list[InvalidParameter] = []
    for parse in PARSERS.values():
        try:
            parse(rest)
        except InvalidParameter as error:
            wrong.append(error)
    if len(wrong) == len(PARSERS):
        raise wrong[0]
