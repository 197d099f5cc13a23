"""How the command line shows a batch, and its report at the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from perkie_cli.batch.files import STDIO
from perkie_cli.batch.inputs import InputFile, Inputs
from perkie_cli.batch.run import Job, JobResult, RunResult
from perkie_cli.batch.status import Status
from perkie_cli.cli.render import Progress, Renderer, Report
from perkie_cli.cli.rows import CutoutRow, ErrorRow, PictureRow
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import Interrupted, LimitReached, PartialFailure, PerkieError
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.units import format_duration


class BatchReporter:
    """Reports each job as it ends: remarks and warnings on stderr, the written path on stdout."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def progress(self, total: int, item: str) -> AbstractContextManager[Progress]:
        """A progress bar, on a terminal."""
        return self._renderer.progress(total, item)

    def unexpected(self, error: Exception) -> PerkieError:
        """Reports a bug, with its traceback under ``-v``."""
        return self._renderer.unexpected(error)

    def given_up(self, count: int) -> None:
        """Reports untried jobs as a warning."""
        self._renderer.warn(f"{count} more were not tried: they would fail the same way")

    def ended(self, result: JobResult, total: int) -> None:
        """Prints one line, or the failure."""
        for warning in _warnings(result):
            self._renderer.warn(f"{_name(result.job.source, 'stdin')}: {warning}")
        if result.error is not None:
            if total > 1:  # a single failure is in the report itself
                self._renderer.complain(result.error, str(result.job.source))
            return
        remark = f"{_name(result.job.source, 'stdin')} → {_name(result.job.target, 'stdout')} ({_remark(result)})"
        if result.status is Status.PLANNED or result.job.target == STDIO:
            self._renderer.say(remark)
        else:
            self._renderer.result(str(result.job.target), remark)


def _name(path: Path, stream: str) -> str:
    return stream if path == STDIO else str(path)


def check_stdout(renderer: Renderer, jobs: Sequence[Job]) -> None:
    """Checks that stdout can take a picture, if one goes there. Raises: UsageError."""
    if any(job.target == STDIO for job in jobs):
        renderer.check_takes_pictures()


def report_left_out(renderer: Renderer, inputs: Inputs) -> list[InputFile]:
    """The files of a run; prints on stderr how many arguments were left out as perkie's own outputs."""
    if count := len(inputs.left_out):
        renderer.say(f"left out: {count} picture{'s' * (count != 1)} that perkie made, such as {inputs.left_out[0]}")
    return inputs.files


def batch_report(ended: RunResult) -> Report:
    """A row per job, and a summary that counts the outcomes."""
    counts = {status.value: sum(each.status is status for each in ended.results) for status in Status}
    failures = [each.error for each in ended.results if each.error is not None]
    error, code = summed_up(failures, ended.total)
    if ended.interrupted:
        error = Interrupted(f"interrupted after {len(ended.results)} of {ended.total}; finished work is kept")
        code = 0
    return Report(
        results=[_row(each) for each in ended.results],
        summary={
            "total": ended.total,
            **{name: count for name, count in counts.items() if count},
            **({"failed_by_limit": len(limited)} if (limited := _limited(failures)) else {}),
        },
        error=error,
        exit_code=code,
    )


def summed_up(failures: Sequence[PerkieError], total: int) -> tuple[PerkieError | None, int]:
    """The error of a run of ``total`` jobs and its exit code: the failures' own if all failed with the same one, or if
    a quota, budget or cap is all that made some fail: then the rest of the run waits for money, not for anybody.
    """
    if not failures:
        return None, 0
    if total == 1:
        return failures[0], failures[0].exit_code
    limited = _limited(failures)
    shared = len(failures) == total or len(limited) == len(failures)
    kinds, codes = {type(failure) for failure in failures}, {failure.exit_code for failure in failures}
    code = codes.pop() if shared and len(codes) == 1 else PartialFailure.exit_code
    kind = (
        kinds.pop()
        if shared and len(kinds) == 1
        else LimitReached
        if code == LimitReached.exit_code
        else PartialFailure
    )
    money = f", {len(limited)} of them by a quota, budget or cap" if 0 < len(limited) < len(failures) else ""
    return kind(f"{len(failures)} of {total} failed{money}", hint="Each is named with its reason."), code


def _limited(failures: Sequence[PerkieError]) -> list[PerkieError]:
    return [failure for failure in failures if isinstance(failure, LimitReached)]


def _row(result: JobResult) -> PictureRow | CutoutRow:
    job, warnings = result.job, _warnings(result)
    output = None if result.error else job.target
    error = None if result.error is None else ErrorRow.of(result.error)
    facts = result.facts
    if job.style:
        assert not isinstance(facts, CutoutFacts), "a job with a style makes a picture"
        return PictureRow(job.source, output, result.status, job.style, facts, warnings, error)
    assert not isinstance(facts, PictureFacts), "a job without a style cuts out"
    return CutoutRow(job.source, output, result.status, facts, warnings, error)


def _warnings(result: JobResult) -> list[str]:
    return [*(result.facts.warnings if result.facts is not None else ()), *result.warnings]


def _remark(result: JobResult) -> str:
    took = format_duration(result.facts.processing_time) if result.facts is not None else ""
    return ", ".join(part for part in (result.job.style, result.remark, took) if part)
