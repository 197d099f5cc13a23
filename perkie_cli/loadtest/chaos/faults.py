"""At the end: did anything meet the faults of the emulators, and are they gone?"""

from __future__ import annotations

from collections.abc import Iterator

from perkie_cli.loadtest.chaos.stage import emulators
from perkie_cli.loadtest.chaos.stage.emulators import CLOCK, PLAN
from perkie_cli.loadtest.chaos.stage.stage import DidNotHappen, record
from perkie_cli.loadtest.chaos.verdict import Finding, Verdict


def look_at_faults() -> list[Finding]:
    """What became of every plan and clock that the experiment set. What is left is cleared, and a failure."""
    return [*_plans(), *_clocks()]


def _plans() -> Iterator[Finding]:
    for url in sorted(record.planned):
        try:
            shown = emulators.call(url, "GET", PLAN)
            yield _left(f"faults of {url} are gone", url, PLAN, still=bool(shown["fault"]))
            unmet = sum(not met for met in shown["met"])
            why = f"nothing met {unmet} of its {len(shown['met'])} faults" if unmet else ""
            yield Finding(f"faults of {url} were met", Verdict.INVALID if unmet else Verdict.PASSED, why)
        except DidNotHappen as error:
            yield Finding(f"faults of {url} are gone", Verdict.INVALID, str(error))


def _clocks() -> Iterator[Finding]:
    for url in sorted(record.skewed):
        try:
            shown = emulators.call(url, "GET", CLOCK)
            yield _left(f"clock of {url} is right", url, CLOCK, still=shown["offset"] != 0)
        except DidNotHappen as error:
            yield Finding(f"clock of {url} is right", Verdict.INVALID, str(error))


def _left(check: str, url: str, what: str, *, still: bool) -> Finding:
    if not still:
        return Finding(check)
    emulators.call(url, "DELETE", what)
    return Finding(check, Verdict.FAILED, "the rollbacks left it behind")
