"""All of a pet: its cut-out and its pictures, drawn from the cut-out."""

from __future__ import annotations

from perkie_cli.batch.cutouts import CutoutMaker
from perkie_cli.batch.jobs import Job
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.pictures import PictureMaker
from perkie_cli.batch.work import Maker, MakerResult
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.photo import Photo


@frozen
class PetMaker:
    """A job without a style is the cut-out."""

    cutouts: CutoutMaker
    pictures: PictureMaker

    def _of(self, job: Job) -> Maker:
        return self.pictures if job.style else self.cutouts

    def kind(self, job: Job) -> OutputKind:
        """See ``Maker``."""
        return self._of(job).kind(job)

    def tag(self, job: Job) -> str:
        """See ``Maker``."""
        return self._of(job).tag(job)

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """See ``Maker``."""
        return await self._of(job).is_cached(photo, job)

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """See ``Maker``."""
        return await self._of(job).make(photo, job, purse)
