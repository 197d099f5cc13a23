"""Cut-outs as the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.work import NO_PHOTO, MakerResult
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.photo import Photo
from perkie_cli.services.cutouts.cut_out import Cutouts


@frozen
class CutoutMaker:
    """Cuts out each photo with the options of ``request``."""

    cutouts: Cutouts
    request: Callable[[Photo], CutoutRequest]

    def kind(self, job: Job) -> OutputKind:
        """The mark of cut-outs."""
        del job
        return OutputKind.CUTOUT

    def tag(self, job: Job) -> str:
        """See ``Maker``; a cut-out has no style."""
        del job
        plan = self.cutouts.plan(self.request(NO_PHOTO))
        return f"{plan.recipe.fingerprint} {_tag(plan.request)}"

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """See ``Maker``."""
        del job
        return await self.cutouts.is_cached(self.cutouts.plan(self.request(photo)))

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """See ``Maker``; a cut-out costs nothing."""
        del job, purse
        made = await self.cutouts(self.request(photo))
        return MakerResult(made.picture.data, made.facts(), _remark(made), final=not made.degraded)


def _tag(request: CutoutRequest) -> str:
    """Everything that decides the output, apart from the photo and the engine's recipe."""
    background = request.background
    picture = background.picture.hash[:12] if background.picture else ""
    return f"{request.output} {background.kind} {background.colour} {picture} {request.framing}"


def _remark(made: Cutout) -> str:
    """The model and device that were used."""
    if made.degraded:
        return f"{made.engine} instead, degraded: {made.degradation_reason}"
    if made.cache_hit:
        return "from the cache"
    sure = f"confidence {made.confidence:.2f}"
    return f"{made.model}, {sure}" if made.engine == "builtin" else f"{made.model} on {made.device}, {sure}"
