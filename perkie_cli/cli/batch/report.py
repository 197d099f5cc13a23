"""How the command line shows a run over many photos, and its report at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath

from perkie_cli.batch.files import STDIO
from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.machines.places import Used
from perkie_cli.batch.photos.inputs import Inputs, links_to_nowhere
from perkie_cli.batch.photos.sources import InputFile
from perkie_cli.batch.run import RunResult
from perkie_cli.batch.tally import Tally
from perkie_cli.cli.batch.progress import BatchProgress
from perkie_cli.cli.batch.rows import CutoutRow, PictureRow
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.row_parts import ErrorRow
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import Interrupted, LimitReached, PartialFailure, PerkieError, Unavailable
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.runs import Outcome, Status
from perkie_cli.domain.units import format_duration

_PASSING: Mapping[int, type[PerkieError]] = {each.exit_code: each for each in (LimitReached, Unavailable)}
"""What several errors of one exit code are together, where that says whether to try again."""
MOST_NAMED = 20  # failed photos in the summary
_WORDS = {
    Status.DONE: "made",
    Status.CACHED: "from the cache",
    Status.SKIPPED: "already there",
    Status.DEGRADED: "substitutes, to be made again",
    Status.PLANNED: "would be made",
    Status.ORDERED: "ordered",
    Status.FAILED: "failed",
}


class BatchReporter:
    """Reports each job as it ends: remarks and warnings on stderr, the written path on stdout."""

    def __init__(self, renderer: Renderer, progress: BatchProgress) -> None:
        self._renderer = renderer
        self._progress = progress
        self._total = 0

    def progress(self, tally: Tally, first: str) -> AbstractContextManager[None]:
        """Shows the progress."""
        self._total = tally.total
        return self._progress.shown(tally, first)

    def unexpected(self, error: Exception) -> PerkieError:
        """Reports a bug, with its traceback under ``-v``."""
        return self._renderer.unexpected(error)

    def given_up(self, count: int, why: str) -> None:
        """Reports untried jobs as a warning."""
        self._renderer.warn(f"{count} more were not tried: {why}")

    def ended(self, result: JobResult, *, new_error: bool) -> None:
        """Prints one line, or the failure if its photo has not failed like this before."""
        job = result.job
        self._progress.ended(result)
        for warning in _warnings(result):
            self._renderer.warn(f"{job.source.name}: {warning}")
        if result.error is not None:
            if new_error and self._total > 1:  # a single failure is in the report itself
                self._renderer.complain(result.error, job.source.name)
            return
        target = "stdout" if job.target == STDIO else str(job.target)
        remark = f"{job.source.name} → {target} ({_remark(result)})"
        if result.status is Status.PLANNED or job.target == STDIO:
            self._renderer.say(remark)
        elif not (result.status is Status.SKIPPED and self._renderer.flags.quiet):
            self._renderer.result(str(job.target), remark)


def check_stdout(renderer: Renderer, jobs: Sequence[Job]) -> None:
    """Checks that stdout can take a picture, if one goes there. Raises: UsageError."""
    if any(job.target == STDIO for job in jobs):
        renderer.check_takes_pictures()


def report_left_out(renderer: Renderer, inputs: Inputs) -> list[InputFile]:
    """The files of a run; prints on stderr what was left out: perkie's own outputs, and links that lead nowhere."""
    if count := len(inputs.left_out):
        renderer.say(f"left out: {count} picture{'s' * (count != 1)} that perkie made, such as {inputs.left_out[0]}")
    if inputs.nowhere:
        renderer.warn(f"left out: {links_to_nowhere(inputs.nowhere)}")
    return inputs.files


def batch_report(ended: RunResult, run: str, used: Used | None = None) -> Report:
    """A row per job, and a summary that counts the outcomes. ``run``: its id in the journal, ``used`` of a cluster."""
    tally = ended.tally
    error, code = _summed_up(ended)
    summary = {"total": tally.total, **tally.counted()}
    if tally.limited:
        summary["failed_by_limit"] = tally.limited
    if ended.left:
        summary["not_tried"] = ended.left
    more = {"cost_usd": tally.usd, "seconds": round(tally.seconds, 3), "run": run}
    if used is not None:
        more["cluster"] = used.summary
    return Report([_row(each) for each in ended.results], {**summary, **more}, error=error, exit_code=code)


def say_summary(renderer: Renderer, ended: RunResult, used: Used | None = None) -> None:
    """Prints what happened, for people, if there was more than one thing to do."""
    tally = ended.tally
    if tally.total < 2:
        return
    parts = [f"{tally.counts[status]} {word}" for status, word in _WORDS.items() if tally.counts[status]]
    if ended.left:
        parts.append(f"{ended.left} not tried")
    where = [] if used is None else [str(used)]
    renderer.say(", ".join([*parts, dollars(tally.usd), format_duration(tally.seconds), *where]))
    for line in _failed_lines(tally):
        renderer.say(line)
    if ended.outcome is Outcome.INTERRUPTED:
        renderer.say("The same command goes on where this one stopped.")


def _failed_lines(tally: Tally) -> Iterator[str]:
    """Each failed photo with its errors, each once."""
    if not tally.failures:
        return
    yield f"failed: {len(tally.failures)} photo{'s' * (len(tally.failures) != 1)}"
    for name, errors in list(tally.failures.items())[:MOST_NAMED]:
        yield f"  {name}: {'; '.join(sorted({error.code for error in errors.values()}))}"
    if (more := len(tally.failures) - MOST_NAMED) > 0:
        yield f"  and {more} more"


def _summed_up(ended: RunResult) -> tuple[PerkieError | None, int]:
    tally = ended.tally
    if ended.outcome is Outcome.INTERRUPTED:
        why = f"interrupted after {tally.ended} of {tally.total}; finished work is kept"
        return Interrupted(why, hint="Run the same command again to go on."), 0
    if tally.total == 1:
        error = next((each for errors in tally.failures.values() for each in errors.values()), None)
        return error, 0 if error is None else error.exit_code
    return _of_kinds(tally.kinds, tally.total)


def summed_up(failures: Sequence[PerkieError], total: int) -> tuple[PerkieError | None, int]:
    """The error of a run of ``total`` jobs and its exit code: see ``_of_kinds``; the failure itself of a single job."""
    if total == 1 and failures:
        return failures[0], failures[0].exit_code
    return _of_kinds(Counter(type(failure) for failure in failures), total)


def _of_kinds(kinds: Counter[type[PerkieError]], total: int) -> tuple[PerkieError | None, int]:
    """The failures' own error if all failed with the same one, or if a quota, budget or cap is all that made some fail:
    then the rest of the run waits for money, not for anybody.
    """
    failed = kinds.total()
    if not failed:
        return None, 0
    limited = sum(count for kind, count in kinds.items() if issubclass(kind, LimitReached))
    shared = failed in (total, limited)
    codes = {kind.exit_code for kind in kinds}
    code = codes.pop() if shared and len(codes) == 1 else PartialFailure.exit_code
    kind = _PASSING.get(code, PartialFailure)
    if shared and len(kinds) == 1:
        (kind,) = kinds
    money = f", {limited} of them by a quota, budget or cap" if 0 < limited < failed else ""
    return kind(f"{failed} of {total} failed{money}", hint="Each is named with its reason."), code


def _row(result: JobResult) -> PictureRow | CutoutRow:
    job, warnings = result.job, _warnings(result)
    name = str(job.source.path) if job.source.path == STDIO else job.source.name
    output: PurePath | None = None if result.error else job.target
    error = None if result.error is None else ErrorRow.of(result.error)
    facts = result.facts
    if job.style:
        assert not isinstance(facts, CutoutFacts), "a job with a style makes a picture"
        return PictureRow(name, output, result.status, job.style, result.via or None, facts, warnings, error)
    assert not isinstance(facts, PictureFacts), "a job without a style cuts out"
    return CutoutRow(name, output, result.status, facts, warnings, error)


def _warnings(result: JobResult) -> list[str]:
    return [*(result.facts.warnings if result.facts is not None else ()), *result.warnings]


def _remark(result: JobResult) -> str:
    took = format_duration(result.facts.processing_time) if result.facts is not None else ""
    return ", ".join(part for part in (result.job.style, result.remark, took) if part)
