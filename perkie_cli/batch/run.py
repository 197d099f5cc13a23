"""Runs one job per input and style, several at once. A failure does not stop the rest; Ctrl-C keeps finished work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.tally import Tally
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import DeadlineExceeded, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.runs import Outcome, Status
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import Clock
from perkie_cli.system.waiting import finished, finished_within

ITEM_LIMIT = 900.0  # seconds for one item with all its retries and waiting: the run always ends


class Reporter(Protocol):
    """Reports on a run."""

    def progress(self, tally: Tally, first: str) -> AbstractContextManager[None]:
        """Shows the progress for the duration of the run; ``first`` is the name of its first photo."""

    def ended(self, result: JobResult, *, new_error: bool) -> None:
        """Reports one finished job. ``new_error``: its photo has not failed like this before.

        Raises: UnwritableFile or DiskFull when output is no longer possible.
        """

    def given_up(self, count: int, why: str) -> None:
        """Reports ``count`` jobs that were not tried."""

    def unexpected(self, error: Exception) -> PerkieError:
        """Turns a bug in one job into an error that can be reported."""


Work = Callable[[Job, Budget], Awaitable[JobResult]]


@frozen
class RunRules:
    """``at_once`` jobs in parallel; ``item_limit`` in seconds for each, reading and writing included.

    ``max_failures`` ends the run. ``keep`` the results of all jobs: otherwise the memory does not grow with them.
    """

    at_once: int
    item_limit: float = ITEM_LIMIT
    max_failures: int | None = None
    keep: bool = False


@frozen
class RunResult:
    """The outcome of a run: the results in the order of their jobs, if they were to be kept."""

    tally: Tally
    outcome: Outcome
    results: Sequence[JobResult] = ()
    left: int = 0  # jobs that were not tried


@dataclass(slots=True)
class BatchRun:
    """Runs jobs in parallel lanes; each takes the next job as soon as it is free.

    ``on_hang`` is called after an item that did not end in time: its thread may hang for ever.
    """

    work: Work
    reporter: Reporter
    logbook: Logbook
    clock: Clock
    budget: Budget
    rules: RunRules
    on_hang: Callable[[], None]
    _results: dict[int, JobResult] = field(default_factory=dict)
    _outcome: Outcome = Outcome.FINISHED
    _begun: float = 0.0

    async def all(self, jobs: Sequence[Job], fresh: frozenset[int] = frozenset()) -> RunResult:
        """Runs the jobs. Those at the places ``fresh`` are skipped: their outputs are there.

        Raises: UnwritableFile or DiskFull when stdout cannot be written.
        """
        tally = Tally(len(jobs))
        self._begun = self.clock.monotonic()
        with self.reporter.progress(tally, jobs[0].source.path.name if jobs else ""):
            try:
                await self._lanes(jobs, fresh, tally)
            except asyncio.CancelledError:
                self._outcome = Outcome.INTERRUPTED
                tally.usd = self.budget.spent
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
        await self.logbook.finish(self._outcome)
        kept = [self._results[place] for place in sorted(self._results)]
        return RunResult(tally, self._outcome, kept, tally.total - tally.ended)

    async def _lanes(self, jobs: Sequence[Job], fresh: frozenset[int], tally: Tally) -> None:
        queue = iter(_hard_ones_last(jobs))

        async def lane() -> None:
            for place, job in queue:
                if place in fresh:
                    result = JobResult(job, Status.SKIPPED, remark="already made")
                else:
                    result = await self._recorded(place, job)
                self._count(place, result, tally)
                if self._must_end(result, tally):
                    await self._give_up(queue, result, tally)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.rules.at_once, len(jobs))):
                group.create_task(lane())

    async def _recorded(self, place: int, job: Job) -> JobResult:
        await self.logbook.started(place, job)
        began, purse = self.clock.monotonic(), self.budget.part()
        result = JobResult(job, Status.WAITING)  # if the run is interrupted, though a call may have been paid
        try:
            result = await self._result(job, purse)
        finally:
            result = replace(result, seconds=self.clock.monotonic() - began, usd=purse.spent)
            await finished(self.logbook.ended(place, result))
        return result

    def _count(self, place: int, result: JobResult, tally: Tally) -> None:
        tally.seconds = self.clock.monotonic() - self._begun
        tally.usd = self.budget.spent
        new = tally.add(result.status, result.job.source.name, result.error)
        if self.rules.keep:
            self._results[place] = result
        self.reporter.ended(result, new_error=new)

    def _must_end(self, result: JobResult, tally: Tally) -> bool:
        if result.error is not None and result.error.ends_run:
            return True
        most = self.rules.max_failures
        return result.error is not None and most is not None and tally.counts[Status.FAILED] >= most

    async def _give_up(self, queue: Iterator[tuple[int, Job]], result: JobResult, tally: Tally) -> None:
        """Leaves the remaining jobs, or fails them with the error that each of them would meet."""
        left, error = list(queue), result.error
        if not left or error is None:
            return
        self._outcome = Outcome.STOPPED
        if not error.ends_run:
            self.reporter.given_up(len(left), f"{self.rules.max_failures} have failed (--max-failures)")
            return
        self.reporter.given_up(len(left), "they would fail the same way")
        for place, job in left:
            untried = JobResult(job, Status.FAILED, error=error)
            tally.add(Status.FAILED, job.source.name, error)
            if self.rules.keep:
                self._results[place] = untried
            await self.logbook.ended(place, untried)

    async def _result(self, job: Job, purse: Budget) -> JobResult:
        try:
            return await self._in_time(job, purse)
        except PerkieError as error:
            return JobResult(job, Status.FAILED, error=error)
        except Exception as error:  # noqa: BLE001  # a bug that one picture meets does not cost the others theirs
            return JobResult(job, Status.FAILED, error=self.reporter.unexpected(error))

    async def _in_time(self, job: Job, purse: Budget) -> JobResult:
        limit = self.rules.item_limit
        deadline = Deadline.after(limit, self.clock.monotonic())
        try:
            return await finished_within(deadline, self.clock, _coroutine(self.work, job, purse))
        except DeadlineExceeded:
            if deadline.remaining(self.clock.monotonic()) > 0:  # its own deadline, not this one
                raise
            self.on_hang()
            raise DeadlineExceeded(
                f"{job.source.name} was not finished within {format_duration(limit)}",
                hint="--item-timeout gives each item more time.",
            ) from None


async def _coroutine(work: Work, job: Job, purse: Budget) -> JobResult:
    return await work(job, purse)


def _hard_ones_last(jobs: Sequence[Job]) -> list[tuple[int, Job]]:
    """In order, but a job that was under way when an earlier run died comes last: it may have been the cause."""
    return sorted(enumerate(jobs), key=lambda each: each[1].died)
