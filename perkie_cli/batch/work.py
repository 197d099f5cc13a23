"""One job from its source to its output: read, skip if it exists, plan, make, write, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from perkie_cli.batch.files import STDIO
from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.mark import OutputKind, marked
from perkie_cli.batch.outputs.places import Outputs
from perkie_cli.batch.outputs.record import Origin, OutputState, in_the_way
from perkie_cli.batch.photos.sources import photo_from
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import OutputExists
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.photo import InputFormat, Inspection, Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.runs import Status
from perkie_cli.ports import Workers
from perkie_cli.system.waiting import finished

NO_PHOTO = Photo(b"", "", "", Inspection(InputFormat.JPEG, 0, 0, 0, False, 1))
"""Stands for any photo where only the options count."""


@frozen
class MakerResult:
    """The output of one photo. ``final``: false for a substitute, which is made again; ``remark`` is for people."""

    data: bytes
    facts: PictureFacts | CutoutFacts
    remark: str
    final: bool = True


class Maker(Protocol):
    """Makes outputs."""

    def kind(self, job: Job) -> OutputKind:
        """The kind in the output's mark."""

    def tag(self, job: Job) -> str:
        """Everything that decides the output, apart from the photo's bytes.

        Raises: UnknownStyle, UsageError, InvalidParameter.
        """

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """Makes it, and books what it costs in ``purse``. Raises: the errors of the use case."""

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """Whether it would come from the cache."""


@frozen
class Rules:
    """How a run treats existing outputs: ``force`` replaces any file, ``skip_existing`` keeps any file.

    ``dry_run`` makes nothing.
    """

    cache: CacheUse = CacheUse.NORMAL
    force: bool = False
    dry_run: bool = False
    skip_existing: bool = False

    @property
    def redo(self) -> bool:
        """Whether our own finished outputs are made again. ``--no-cache`` alone does not do that."""
        return self.force or self.cache is CacheUse.REFRESH


class FileWork:
    """Runs jobs with a maker and the place of their outputs. ``stdout`` writes pictures to stdout."""

    def __init__(
        self,
        maker: Maker,
        outputs: Outputs,
        limits: ImageLimits,
        rules: Rules,
        io: Workers,
        stdout: Callable[[bytes], None],
    ) -> None:
        self._maker = maker
        self._outputs = outputs
        self._limits = limits
        self._rules = rules
        self._io = io
        self._stdout = stdout

    async def there(self, jobs: Sequence[Job]) -> frozenset[int]:
        """The places of those jobs whose output is surely there, without reading a photo.

        Raises: as ``Maker.tag``.
        """
        if self._rules.skip_existing:
            times = await self._outputs.modified([job.target for job in jobs])
            return frozenset(place for place, time in enumerate(times) if time is not None)
        if self._rules.redo:
            return frozenset()
        tags: dict[tuple[str, object], str] = {}
        for job in jobs:
            if (job.style, job.owner) not in tags:
                tags[job.style, job.owner] = self._maker.tag(job)
        options = [tags[job.style, job.owner] for job in jobs]
        fresh = await self._outputs.fresh([job.target for job in jobs], [job.source for job in jobs], options)
        return frozenset(place for place, is_fresh in enumerate(fresh) if is_fresh)

    async def __call__(self, job: Job, purse: Budget) -> JobResult:
        """Runs one job.

        Raises: BadInput, OutputExists, UnwritableFile, DiskFull, and everything that the maker raises.
        """
        photo, origin = await self._read(job)
        state = await self._state(job, photo, origin)
        if state is OutputState.FRESH:
            return JobResult(job, Status.SKIPPED, remark="already made")
        if self._rules.dry_run:
            return JobResult(job, Status.PLANNED, remark="would be made")
        made = await self._maker.make(photo, job, purse)
        data = marked(made.data, self._maker.kind(job))
        if state is OutputState.UNRECORDED and await self._outputs.read(job.target) != data:
            raise _unrecorded(job)
        # to its end, so that a written output is also recorded and reported
        if job.target == STDIO:
            await finished(self._io.run(self._stdout, data))
            return _done(job, made, ())
        written = self._outputs.write(job.target, origin, data, final=made.final, new=state is OutputState.ABSENT)
        return _done(job, made, await finished(written))

    async def needs_drawing(self, job: Job) -> bool:
        """Whether the output is neither there nor in the cache. Raises: as for running it."""
        photo, origin = await self._read(job)
        if await self._state(job, photo, origin) is OutputState.FRESH:
            return False
        return not await self._from_cache(photo, job)

    async def _read(self, job: Job) -> tuple[Photo, Origin]:
        version = await self._io.run(job.source.version)
        photo = await photo_from(job.source, self._limits, self._io)
        return photo, Origin(job.source, version, photo.hash, self._maker.tag(job))

    async def _state(self, job: Job, photo: Photo, origin: Origin) -> OutputState:
        """What is at the target; none of ours is fresh that is to be made again.

        An unrecorded output is known again by its bytes, as long as they are in the cache: that costs nothing.
        """
        if job.target == STDIO:
            return OutputState.ABSENT
        state = await self._outputs.check(job.target, origin, force=self._rules.force)
        if state is OutputState.FRESH and self._rules.redo:
            return OutputState.STALE
        if state is OutputState.UNRECORDED and not await self._from_cache(photo, job):
            raise _unrecorded(job)
        return state

    async def _from_cache(self, photo: Photo, job: Job) -> bool:
        return self._rules.cache is CacheUse.NORMAL and await self._maker.is_cached(photo, job)


def _unrecorded(job: Job) -> OutputExists:
    return in_the_way(job.target, f", and no record says that perkie made it from {job.source.path.name}")


def _done(job: Job, made: MakerResult, warnings: Sequence[str]) -> JobResult:
    status = Status.CACHED if made.facts.cache_hit else Status.DONE
    return JobResult(job, status if made.final else Status.DEGRADED, made.facts, warnings, remark=made.remark)
