"""Runs one job per input and style, several at once. A failure does not stop the rest; Ctrl-C keeps finished work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perkie_cli.batch.status import Status
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.pictures.result import PictureFacts


@dataclass(frozen=True, slots=True)
class Job:
    """One output to make."""

    source: Path
    target: Path
    style: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """One finished job. ``facts`` of the output; ``warnings`` are in addition to those in the facts."""

    job: Job
    status: Status
    facts: PictureFacts | CutoutFacts | None = None
    warnings: Sequence[str] = ()
    error: PerkieError | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a run of ``total`` jobs: the results in the order of their jobs."""

    results: Sequence[JobResult]
    total: int
    interrupted: bool = False


class Progress(Protocol):
    """The progress of a run."""

    def advance(self, item: str) -> None:
        """Counts one finished job."""


class Reporter(Protocol):
    """Reports on a run."""

    def progress(self, total: int, item: str) -> AbstractContextManager[Progress]:
        """A progress display for the duration of the run."""

    def ended(self, result: JobResult, total: int) -> None:
        """Reports one finished job. Raises: UnwritableFile or DiskFull when output is no longer possible."""

    def given_up(self, count: int) -> None:
        """Reports ``count`` jobs that were not tried, since they would fail the same way."""

    def unexpected(self, error: Exception) -> PerkieError:
        """Turns a bug in one job into an error that can be reported."""


Work = Callable[[Job], Awaitable[JobResult]]


@dataclass(slots=True)
class _Run:
    """Runs jobs in parallel lanes; each takes the next job as soon as it is free."""

    work: Work
    reporter: Reporter
    jobs: Sequence[Job]
    results: dict[int, JobResult] = field(default_factory=dict)

    async def lanes(self, count: int, bar: Progress) -> None:
        queue = enumerate(self.jobs)

        async def lane() -> None:
            for place, job in queue:
                self.results[place] = result = await self._result(job)
                bar.advance(job.source.name)
                self.reporter.ended(result, len(self.jobs))
                if result.error is not None and result.error.ends_run:
                    self._give_up(queue, result.error)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(count, len(self.jobs))):
                group.create_task(lane())

    def _give_up(self, queue: Iterator[tuple[int, Job]], error: PerkieError) -> None:
        """Fails the remaining jobs with the error that each of them would meet."""
        left = {place: JobResult(job, Status.FAILED, error=error) for place, job in queue}
        if left:
            self.results.update(left)
            self.reporter.given_up(len(left))

    async def _result(self, job: Job) -> JobResult:
        try:
            return await self.work(job)
        except PerkieError as error:
            return JobResult(job, Status.FAILED, error=error)
        except Exception as error:  # noqa: BLE001  # a bug that one picture meets does not cost the others theirs
            return JobResult(job, Status.FAILED, error=self.reporter.unexpected(error))

    def ended(self, *, interrupted: bool = False) -> RunResult:
        return RunResult([self.results[place] for place in sorted(self.results)], len(self.jobs), interrupted)


async def run_jobs(jobs: Sequence[Job], work: Work, reporter: Reporter, at_once: int) -> RunResult:
    """Runs ``work`` for each job, ``at_once`` at a time, and reports each as it ends.

    Raises: UnwritableFile or DiskFull when stdout cannot be written.
    """
    run = _Run(work, reporter, jobs)
    with reporter.progress(len(jobs), jobs[0].source.name if jobs else "") as bar:
        try:
            await run.lanes(at_once, bar)
        except asyncio.CancelledError:
            return run.ended(interrupted=True)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
    return run.ended()
