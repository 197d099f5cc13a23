"""Styled pictures as the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.work import MakerResult, Planned
from perkie_cli.domain.money.spend import dollars
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
    request: Callable[[Photo, str], GenerateRequest]
    format: ImageFormat

    @property
    def kind(self) -> OutputKind:
        """The mark of styled pictures."""
        return OutputKind.PICTURE

    def plan(self, photo: Photo, style: str) -> Planned:
        """See ``Maker``."""
        plan = self.generate.plan(self.request(photo, style))
        return Planned(f"{plan.key.style} {plan.key.fingerprint} {self.format.value}", lambda: self._make(plan))

    async def _make(self, plan: PicturePlan) -> MakerResult:
        made = await self.generate.carry_out(plan)
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
