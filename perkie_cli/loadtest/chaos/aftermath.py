"""What follows a run in any case: the rollbacks that Chaos Toolkit did not come to, and a second look."""

from __future__ import annotations

from typing import Any

from chaoslib.hypothesis import run_steady_state_hypothesis
from chaoslib.run import EventHandlerRegistry, run_rollback

Json = dict[str, Any]


def finish_rollbacks(experiment: Json, journal: Json, values: tuple[Json, Json], events: EventHandlerRegistry) -> None:
    """Plays those that were not played, one by one: whatever error one has, it does not keep the others back."""
    played: list[Json] = list(map(_ended, journal["rollbacks"]))
    for each in (experiment.get("rollbacks") or [])[len(played) :]:
        one = {**experiment, "rollbacks": [{**each, "background": False}]}
        reason = ""
        try:
            run_rollback("always", None, one, journal, *values, events, experiment.get("dry"))
        except Exception as error:  # noqa: BLE001  # Chaos Toolkit expects only its own
            reason = _told(error)
        played += [_ended(run, reason) for run in journal["rollbacks"] or [{"activity": each}]]
    journal["rollbacks"] = played


def verify(experiment: Json, values: tuple[Json, Json], events: EventHandlerRegistry) -> Json | None:
    """The steady state after the rollbacks; None for an experiment without one."""
    if not experiment.get("steady-state-hypothesis"):
        return None
    try:
        state = run_steady_state_hypothesis(experiment, *values, dry=experiment.get("dry"), event_registry=events)
    except Exception as error:  # noqa: BLE001  # as a tolerance that cannot be compared with what was found
        return {"steady_state_met": False, "probes": [], "error": _told(error)}
    return dict(state)


def _ended(run: Json, reason: str = "an error that Chaos Toolkit did not expect") -> Json:
    """An activity that an error broke off has no status."""
    return run if "status" in run else {**run, "status": "failed", "exception": [reason]}


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
