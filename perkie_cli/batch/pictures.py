"""Styled pictures as the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.work import NO_PHOTO, MakerResult
from perkie_cli.domain.money.spend import Budget, dollars
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import Generated
from perkie_cli.ports import Workers
from perkie_cli.services.pictures.found import deliver
from perkie_cli.services.pictures.generate import Generate, PicturePlan


@dataclass(frozen=True, slots=True)
class PictureMaker:
    """Draws each photo with the options of ``request``, into files of one format."""

    generate: Generate
    workers: Workers
    request: Callable[[Photo, Job, Budget | None], GenerateRequest]
    format: ImageFormat

    def kind(self, job: Job) -> OutputKind:
        """The mark of styled pictures."""
        del job
        return OutputKind.PICTURE

    def tag(self, job: Job) -> str:
        """See ``Maker``."""
        key = self._plan(NO_PHOTO, job).key
        return f"{key.style} {key.fingerprint} {self.format.value}"

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """See ``Maker``."""
        return await self.generate.is_cached(self._plan(photo, job))

    def _plan(self, photo: Photo, job: Job) -> PicturePlan:
        return self.generate.plan(self.request(photo, job, None))

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """See ``Maker``."""
        made = await self.generate(self.request(photo, job, purse))
        picture = await self.workers.run(deliver, made.master, self.format)
        return MakerResult(picture.data, made.facts(), _remark(made), final=not made.degraded)


def _remark(made: Generated) -> str:
    """The engine that drew it, and its cost."""
    if made.degraded:
        return f"{made.engine} instead, degraded: {made.degradation_reason}"
    if made.cache_hit:
        return "from the cache"
    if not made.usage.attempts:
        return made.engine
    tries = f", {made.usage.attempts} attempts" if made.usage.attempts > 1 else ""
    return f"{made.model}{tries}, {dollars(made.usage.cost_usd)}"
