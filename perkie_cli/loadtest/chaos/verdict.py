"""What a journal means: whether the service kept its promises, and whether the experiment says anything about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from perkie_cli.domain.frozen import frozen

EXTENSION_KEY = "x-perkie"  # in the journal
Run = Mapping[str, Any]


class Verdict(StrEnum):
    """How an experiment ended, each with its exit code."""

    PASSED = "passed"
    FAILED = "failed"  # the service did not keep its promises, or something was left behind
    INVALID = "invalid"  # it says nothing about the service
    INTERRUPTED = "interrupted"

    @property
    def exit_code(self) -> int:
        """Of `perkie load-test chaos`."""
        return {Verdict.PASSED: 0, Verdict.FAILED: 99, Verdict.INVALID: 98, Verdict.INTERRUPTED: 130}[self]


@frozen
class Finding:
    """One thing that was looked at: ``verdict`` is passed, or what it makes of the whole; ``message`` says why."""

    check: str
    verdict: Verdict = Verdict.PASSED
    message: str = ""


def verdict_of(findings: Sequence[Finding]) -> Verdict:
    """Failures come first: they are true of the service even if the rest of the experiment was none."""
    found = {each.verdict for each in findings}
    order = (Verdict.FAILED, Verdict.INTERRUPTED, Verdict.INVALID)
    return next((each for each in order if each in found), Verdict.PASSED)


def judge(journal: Mapping[str, Any], faults: Sequence[Finding], signals: Sequence[str]) -> list[Finding]:
    """Everything that was looked at, in order. ``faults``: what became of the faults of emulators."""
    interrupted = journal.get("status") == "interrupted" or bool(signals)
    found = [
        _state("steady state before", journal["steady_states"]["before"], Verdict.INVALID),
        *(_of_method(run, interrupted=interrupted) for run in journal.get("run") or ()),
        _state("steady state after the method", journal["steady_states"]["after"], Verdict.FAILED),
        *(_of_rollback(run) for run in journal.get("rollbacks") or ()),
        _state("steady state after the rollbacks", _verified(journal), Verdict.FAILED),
        *(_unless_interrupted(each, interrupted=interrupted) for each in faults),
        *_of_end(journal, signals, interrupted=interrupted),
    ]
    return [each for each in found if each is not None]


def _verified(journal: Mapping[str, Any]) -> Run | None:
    found: Run | None = journal.get(EXTENSION_KEY, {}).get("steady_state_after_rollbacks")
    return found


def _state(check: str, state: Run | None, otherwise: Verdict) -> Finding | None:
    if state is None:
        return None
    if state["steady_state_met"]:
        return Finding(check)
    if "error" in state:
        return Finding(check, otherwise, state["error"])
    last = state["probes"][-1] if state["probes"] else {}
    return Finding(check, otherwise, f"{_name(last)}: {why_failed(last) or 'outside of its tolerance'}")


def _of_method(run: Run, *, interrupted: bool) -> Finding:
    check = f"{run['activity']['type']} {_name(run)}"
    why = why_failed(run) or (_refused(run) if run["activity"]["type"] == "action" else "")
    if why:
        failed = Verdict.INVALID if run["activity"]["type"] == "action" else Verdict.FAILED
        return Finding(check, failed, why)
    if "status" not in run:
        return Finding(check, Verdict.INTERRUPTED if interrupted else Verdict.INVALID, "was not finished")
    return Finding(check)


def _of_rollback(run: Run) -> Finding:
    why = why_failed(run) or _refused(run) or ("" if "status" in run else "was not finished")
    return Finding(f"rollback {_name(run)}", Verdict.FAILED if why else Verdict.PASSED, why)


def _unless_interrupted(finding: Finding, *, interrupted: bool) -> Finding:
    """An interrupted experiment need not have come to its faults."""
    if interrupted and finding.verdict is Verdict.INVALID:
        return Finding(finding.check, Verdict.INTERRUPTED, finding.message)
    return finding


def _of_end(journal: Mapping[str, Any], signals: Sequence[str], *, interrupted: bool) -> Iterator[Finding]:
    if interrupted:
        by = f"by {', '.join(signals)}" if signals else "by one of its activities"
        yield Finding("ran to its end", Verdict.INTERRUPTED, f"interrupted {by}")
    elif journal.get("status") == "aborted":
        yield Finding("ran to its end", Verdict.INVALID, "aborted by an error that Chaos Toolkit did not expect")


def _name(run: Run) -> str:
    return str(run.get("activity", {}).get("name", "an activity"))


def why_failed(run: Run) -> str:
    """Why an activity failed; empty where it did not."""
    if run.get("status") != "failed":
        return ""
    text = str((run.get("exception") or ["it failed"])[-1]).strip()
    text = text.removeprefix("chaoslib.exceptions.ActivityFailed: ")
    return text.partition(": ")[2] if text.startswith("perkie_cli.loadtest.chaos.") else text


def _refused(run: Run) -> str:
    """Chaos Toolkit calls an HTTP call or a program a success whatever its status."""
    output, kind = run.get("output"), run["activity"].get("provider", {}).get("type")
    status = output.get("status") if isinstance(output, Mapping) else None
    if kind == "http" and isinstance(status, int) and status >= 400:
        return f"answered with status {status}"
    if kind == "process" and status not in (None, 0):
        return f"ended with {status}"
    return ""
