"""Writes a run's journal. A journal that cannot be written is a warning: it must not cost a picture."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.machines.parts import Parts
from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.runs import Item, Outcome, Run, Status
from perkie_cli.ports import Clock, Journal, Locks, Workers

P = ParamSpec("P")
T = TypeVar("T")


class Logbook:
    """The journal of one run. ``warn`` is told once that it cannot be written. ``parts``: beside the outputs, too."""

    def __init__(
        self,
        journal: Journal,
        locks: Locks,
        io: Workers,
        clock: Clock,
        warn: Callable[[str], None],
        parts: Parts | None = None,
    ) -> None:
        self.run_id = ""
        self._journal = journal
        self._locks = locks
        self._io = io
        self._clock = clock
        self._warn = warn
        self._works = True
        self._parts = parts

    async def due(self, jobs: Sequence[Job], *, failed_only: bool, codes: frozenset[str]) -> list[Job]:
        """The jobs with the attempts of earlier runs that did not make them.

        ``failed_only``: those that failed when they were last tried, with one of the ``codes`` if there are any, and
        those that were under way when their run died, as nobody knows of what.
        """
        last = await self._call(self._journal.last, [job.output for job in jobs]) or {}
        found = ((job, last.get(job.output)) for job in jobs)
        return [_with_history(job, item) for job, item in found if not failed_only or _failed(item, codes)]

    @asynccontextmanager
    async def recorded(
        self, command: str, words: Sequence[str], jobs: Sequence[Job], done: frozenset[int]
    ) -> AsyncIterator[None]:
        """Records the run during the block. ``done``: the places of jobs whose output is there."""
        now = self._clock.now()
        self.run_id = run_id(now)
        run = Run(self.run_id, command, tuple(words), str(Path.cwd()), now, len(jobs))
        async with self._locks.hold(alive(self.run_id)):
            await self._call(self._journal.begin, run, _items(jobs, done))
            async with nullcontext() if self._parts is None else self._parts.of(run, _items(jobs, done)):
                yield

    async def started(self, place: int, job: Job) -> None:
        """Records that a job begins."""
        if self._parts is not None:
            attempts = job.attempts + 1
            self._parts.note(Item(place, job.source.name, job.output, job.style, Status.RUNNING, attempts))
        await self._call(self._journal.started, self.run_id, place, job.attempts + 1)

    async def ended(self, place: int, result: JobResult) -> None:
        """Records how a job ended."""
        item = _ended(place, result)
        if self._parts is not None:
            self._parts.note(item)
        await self._call(self._journal.ended, self.run_id, item)

    async def finish(self, outcome: Outcome) -> None:
        """Records the end of the run."""
        now = self._clock.now()
        if self._parts is not None:
            await self._parts.finish(outcome, now)
        await self._call(self._journal.finish, self.run_id, outcome, now)

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        if not self._works:
            return None
        try:
            return await self._io.run(function, *args, **kwargs)
        except StoreUnavailable as error:
            self._works = False
            self._warn(f"{error.message}; this run goes on without a journal")
            return None


def _failed(item: Item | None, codes: frozenset[str]) -> bool:
    if item is None or item.status is Status.RUNNING:
        return item is not None
    return item.status is Status.FAILED and (not codes or item.code in codes)


def _with_history(job: Job, item: Item | None) -> Job:
    if item is None or item.status not in (Status.FAILED, Status.RUNNING, Status.DEGRADED):
        return job
    return replace(job, attempts=item.attempts, died=item.status is Status.RUNNING)


def run_id(now: datetime) -> str:
    """An id that sorts by time: ``20261129-191537-3fa9``."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def alive(id_: str) -> str:
    """The lock that a run's process holds for as long as it lives."""
    return f"run {id_}"


def _items(jobs: Sequence[Job], done: frozenset[int]) -> Iterable[Item]:
    for place, job in enumerate(jobs):
        status = Status.SKIPPED if place in done else Status.WAITING
        yield Item(place, job.source.name, job.output, job.style, status, job.attempts)


def _ended(place: int, result: JobResult) -> Item:
    job, error, facts = result.job, result.error, result.facts
    attempts = job.attempts + (result.status is not Status.SKIPPED)
    return Item(
        place,
        job.source.name,
        job.output,
        job.style,
        result.status,
        attempts,
        round(result.seconds, 4),
        result.usd,
        "" if facts is None else facts.engine,
        "" if error is None else error.code,
        "" if error is None else error.message,
        (error.hint or "") if error is not None else "",
    )
