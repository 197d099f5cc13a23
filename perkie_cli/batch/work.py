"""One job from its file to its output: read, plan, skip if it exists, make, write, record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from perkie_cli.batch.files import STDIO, read_photo
from perkie_cli.batch.mark import OutputKind, marked
from perkie_cli.batch.run import Job, JobResult
from perkie_cli.batch.status import Status
from perkie_cli.batch.targets import OutputFile, OutputRecord, OutputState
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.system.waiting import finish_in_thread


@dataclass(frozen=True, slots=True)
class MakerResult:
    """The output of one photo. ``final``: false for a substitute, which is made again; ``remark`` is for people."""

    data: bytes
    facts: PictureFacts | CutoutFacts
    remark: str
    final: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan for one photo. ``tag`` holds everything that decides the output, apart from the photo's bytes."""

    tag: str
    make: Callable[[], Awaitable[MakerResult]]


class Maker(Protocol):
    """Makes outputs of one kind."""

    @property
    def kind(self) -> OutputKind:
        """The kind in their mark."""

    def plan(self, photo: Photo, style: str) -> Planned:
        """The plan for one photo. Raises: UnknownStyle, UsageError, InvalidParameter."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run treats existing outputs: ``force`` replaces any file, ``dry_run`` makes nothing."""

    cache: CacheUse = CacheUse.NORMAL
    force: bool = False
    dry_run: bool = False

    @property
    def redo(self) -> bool:
        """Whether our own finished outputs are made again. ``--no-cache`` alone does not do that."""
        return self.force or self.cache is CacheUse.REFRESH


class FileWork:
    """Runs jobs with a maker and the record of outputs. ``stdout`` writes pictures to stdout."""

    def __init__(
        self,
        maker: Maker,
        record: OutputRecord,
        limits: ImageLimits,
        rules: Rules,
        stdout: Callable[[bytes], None],
    ) -> None:
        self._maker = maker
        self._record = record
        self._limits = limits
        self._rules = rules
        self._stdout = stdout

    async def __call__(self, job: Job) -> JobResult:
        """Runs one job.

        Raises: BadInput, OutputExists, UnwritableFile, DiskFull, and everything that the maker raises.
        """
        photo = await asyncio.to_thread(read_photo, job.source, self._limits)
        planned = self._maker.plan(photo, job.style)
        if job.target != STDIO:
            state = self._record.check(job.target, job.source, planned.tag, force=self._rules.force)
            if state is OutputState.FRESH and not self._rules.redo:
                return JobResult(job, Status.SKIPPED, remark="already made")
        if self._rules.dry_run:
            return JobResult(job, Status.PLANNED, remark="would be made")
        output = await planned.make()
        data = marked(output.data, self._maker.kind)
        if job.target == STDIO:
            await finish_in_thread(self._stdout, data)
            return _done(job, output, ())
        made = OutputFile(job.target, job.source, photo.hash, planned.tag, output.final)
        # uninterrupted, so that a written output is also recorded and reported
        warnings = await finish_in_thread(self._record.write, made, data)
        return _done(job, output, warnings)


def _done(job: Job, output: MakerResult, warnings: Sequence[str]) -> JobResult:
    status = Status.CACHED if output.facts.cache_hit else Status.DONE
    return JobResult(job, status, output.facts, warnings, remark=output.remark)
