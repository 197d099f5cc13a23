"""Cut-outs as the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.work import MakerResult, Planned
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.photo import Photo
from perkie_cli.services.cutouts.cut_out import CutoutPlan, Cutouts


@dataclass(frozen=True, slots=True)
class CutoutMaker:
    """Cuts out each photo with the options of ``request``."""

    cutouts: Cutouts
    request: Callable[[Photo], CutoutRequest]

    @property
    def kind(self) -> OutputKind:
        """The mark of cut-outs."""
        return OutputKind.CUTOUT

    def plan(self, photo: Photo, style: str) -> Planned:
        """Plans one cut-out; it has no style."""
        del style
        plan = self.cutouts.plan(self.request(photo))
        return Planned(f"{plan.recipe.fingerprint} {_tag(plan.request)}", lambda: self._make(plan))

    async def _make(self, plan: CutoutPlan) -> MakerResult:
        made = await self.cutouts.carry_out(plan)
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
