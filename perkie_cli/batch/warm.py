"""Warming as a run: one item for each upload and style, whose output is in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.runs import Status
from perkie_cli.ports import Workers
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.plan import PicturePlan
from perkie_cli.services.pictures.warming import Upload, Warming


@frozen
class StoredSource:
    """An upload in the store."""

    upload: Upload
    warming: Warming

    @property
    def name(self) -> str:
        """Its key."""
        return self.upload.key

    @property
    def path(self) -> PurePosixPath:
        """Its key."""
        return PurePosixPath(self.upload.key)

    @property
    def key(self) -> bytes:
        """Its key."""
        return self.upload.key.encode()

    def version(self) -> str:
        """Its hash: a stored upload never changes."""
        return self.upload.hash

    def modified(self) -> float | None:
        """When it was stored."""
        return self.upload.stored.timestamp()

    async def read(self, max_bytes: int, io: Workers) -> bytes:
        """The stored bytes."""
        del max_bytes, io
        return (await self.photo()).data

    async def photo(self) -> Photo:
        """The photo, with the hash of its upload. Raises: as ``Warming.photo``."""
        return await self.warming.photo(self.upload)

    def is_at(self, path: Path) -> bool:
        """Never."""
        del path
        return False


def warm_jobs(warming: Warming, uploads: Sequence[Upload], styles: Sequence[str]) -> list[Job]:
    """A job for each upload and style."""
    return [warm_job(StoredSource(each, warming), style) for each in uploads for style in styles]


def warm_job(source: StoredSource, style: str) -> Job:
    """The job for one upload and style."""
    upload = source.upload
    return Job(source, Path(f"{upload.hash}_{style}"), style, upload.owner, named=warm_name(upload.hash, style))


def warm_name(hash_: str, style: str) -> str:
    """The name of a job for that photo and style over all runs."""
    return f"cache:{hash_}_{style}"


@frozen
class WarmWork:
    """Draws what is not in the cache; ``dry_run`` only looks."""

    generate: Generate
    request: Callable[[Photo, Job, Budget], GenerateRequest]
    dry_run: bool

    async def __call__(self, job: Job, purse: Budget) -> JobResult:
        """Runs one job. Raises: as ``Generate``."""
        plan = await self.planned(job, purse)
        if await self.generate.is_cached(plan):
            return JobResult(job, Status.SKIPPED, remark="fresh")
        if self.dry_run:
            return JobResult(job, Status.PLANNED)
        made = await self.generate.carry_out(plan)
        return JobResult(job, Status.CACHED if made.cache_hit else Status.DONE, made.facts())

    async def planned(self, job: Job, purse: Budget) -> PicturePlan:
        """What drawing the job means. Raises: NotFound for a removed upload, BadInput, the store's errors."""
        assert isinstance(job.source, StoredSource), "jobs of warm_jobs"
        return self.generate.plan(self.request(await job.source.photo(), job, purse))
