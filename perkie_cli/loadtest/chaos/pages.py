"""The report of an experiment: the journal, a summary for a job's page, and JUnit's XML."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import Interrupted, PerkieError, RunInvalid, ThresholdsFailed, UsageError
from perkie_cli.loadtest.chaos.verdict import Finding, Verdict
from perkie_cli.reports import markdown
from perkie_cli.reports.junit import Case, Result, junit

if TYPE_CHECKING:
    from perkie_cli.loadtest.chaos.process import Outcome

SUFFIXES = (".json", ".md", ".xml")
_MARKS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.INVALID: "⚠️", Verdict.INTERRUPTED: "⏹️"}
_RESULTS = {Verdict.PASSED: Result.PASSED, Verdict.FAILED: Result.FAILED}


def check_suffix(path: Path) -> None:
    """Raises: UsageError for a file that ``write`` cannot make."""
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: a report is .json (the journal), .md or .xml (JUnit)", hint="The extension chooses the format."
        )


def write(outcome: Outcome, path: Path) -> None:
    """The format by the file's extension. Raises: UsageError for another one, OSError."""
    check_suffix(path)
    if path.suffix == ".xml":
        path.write_bytes(as_junit(outcome))
    else:
        text = as_markdown(outcome) if path.suffix == ".md" else as_json(outcome)
        path.write_text(text, "utf-8", "replace")  # a lone surrogate can come in any answer


def error_of(outcome: Outcome) -> PerkieError | None:
    """The error with the exit code; None when the experiment passed."""
    kinds = {Verdict.FAILED: ThresholdsFailed, Verdict.INVALID: RunInvalid, Verdict.INTERRUPTED: Interrupted}
    kind = kinds.get(outcome.verdict)
    return None if kind is None else kind(headline(outcome))


def headline(outcome: Outcome) -> str:
    """One sentence."""
    if outcome.verdict is Verdict.PASSED:
        return f"passed: all {len(outcome.findings)} checks hold"
    first = next(each for each in outcome.findings if each.verdict is outcome.verdict)
    return f"{outcome.verdict}: {_sentence(first)}"


def _sentence(finding: Finding) -> str:
    return f"{finding.check}: {finding.message}" if finding.message else finding.check


def as_json(outcome: Outcome) -> str:
    """Chaos Toolkit's journal; what perkie adds is under ``x-perkie``."""
    return json.dumps(outcome.journal, indent=2, ensure_ascii=False) + "\n"


def as_markdown(outcome: Outcome) -> str:
    """A summary for a job's page, under 64 KiB."""
    rows = [(_MARKS[each.verdict], each.check, each.message) for each in outcome.findings]
    return markdown.document(
        [
            f"## Chaos experiment: {markdown.escape(outcome.title)}",
            f"{_MARKS[outcome.verdict]} {markdown.escape(headline(outcome))}",
            f"{markdown.escape(outcome.started)} · {outcome.seconds:.0f} s",
            markdown.table(("", "check", "what was found"), rows),
        ]
    )


def as_junit(outcome: Outcome) -> bytes:
    """A case for each check. What says nothing about the service is an error, not a failure."""
    cases = [
        Case(outcome.name, each.check, _RESULTS.get(each.verdict, Result.ERROR), each.message, each.verdict.value)
        for each in outcome.findings
    ]
    started = datetime.fromisoformat(outcome.started)
    return junit(f"load-test chaos {outcome.name}", cases, started=started, seconds=outcome.seconds)
