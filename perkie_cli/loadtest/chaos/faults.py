"""At the end: did anything meet the faults of the emulators, and are they gone?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perkie_cli.loadtest.chaos.stage import emulators
from perkie_cli.loadtest.chaos.stage.emulators import CLOCK, PLAN
from perkie_cli.loadtest.chaos.stage.stage import DidNotHappen, record
from perkie_cli.loadtest.chaos.verdict import Finding, Verdict


def look_at_faults() -> list[Finding]:
    """What became of every plan and clock that the experiment set. What is left is cleared, and a failure."""
    replaced = [_met(name, counts) for name, counts in record.replaced]
    return [*replaced, *_plans(), *_clocks()]


def _plans() -> Iterator[Finding]:
    for url, name in record.planned.items():
        try:
            shown = emulators.call(url, "GET", PLAN)
            yield _left(f"faults of {name} are gone", url, PLAN, still=bool(shown["fault"]))
            yield _met(name, shown["met"])
        except DidNotHappen as error:
            yield Finding(f"faults of {name} are gone", Verdict.INVALID, str(error))


def _met(name: str, counts: Sequence[int]) -> Finding:
    unmet = sum(not count for count in counts)
    why = f"nothing met {unmet} of its {len(counts)} faults" if unmet else "" if counts else "it has forgotten them"
    return Finding(f"faults of {name} were met", Verdict.INVALID if why else Verdict.PASSED, why)


def _clocks() -> Iterator[Finding]:
    for url, name in record.skewed.items():
        try:
            shown = emulators.call(url, "GET", CLOCK)
            yield _left(f"clock of {name} is right", url, CLOCK, still=shown["offset"] != 0)
        except DidNotHappen as error:
            yield Finding(f"clock of {name} is right", Verdict.INVALID, str(error))


def _left(check: str, url: str, what: str, *, still: bool) -> Finding:
    if not still:
        return Finding(check)
    emulators.call(url, "DELETE", what)
    return Finding(check, Verdict.FAILED, "the rollbacks left it behind")
