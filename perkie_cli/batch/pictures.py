"""Styled pictures as the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.work import NO_PHOTO, MakerResult
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget, dollars
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.domain.pictures.result import Generated
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.domain.quotas.limits import Charge
from perkie_cli.ports import Workers
from perkie_cli.services.pictures.found import deliver
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.plan import PicturePlan

OVERTIME = 20.0  # seconds after a deadline in which the local engine may still finish: late is better than nothing


@frozen
class Drawing:
    """How pictures are drawn: the options that apply to every job.

    ``fallback`` None depends on the number of photos: a batch can be run again later, so it should not be filled with
    substitutes.
    """

    format: ImageFormat
    owner: Owner
    model: str | None
    fallback: frozenset[Fallback] | None
    deadline: float | None
    remove_background: bool
    background: BackgroundUse | None
    cache: CacheUse

    def steps(self, photos: int) -> frozenset[Fallback]:
        """The substitutes that are allowed for a run over that many photos."""
        if self.fallback is not None:
            return self.fallback
        return frozenset(Fallback) if photos < 2 else frozenset()


@frozen
class PictureMaker:
    """Draws each photo, into files of one format. ``steps``: the substitutes that are allowed.

    ``patient``: waits for the upstream's quota. ``charge``: the counters of an owner.
    """

    generate: Generate
    workers: Workers
    drawing: Drawing
    steps: frozenset[Fallback]
    patient: bool
    charge: Callable[[Owner], Charge]

    def kind(self, job: Job) -> OutputKind:
        """The mark of styled pictures."""
        del job
        return OutputKind.PICTURE

    def tag(self, job: Job) -> str:
        """See ``Maker``."""
        key = self._plan(NO_PHOTO, job).key
        return f"{key.style} {key.fingerprint} {self.drawing.format.value}"

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """See ``Maker``."""
        return await self.generate.is_cached(self._plan(photo, job))

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """See ``Maker``."""
        made = await self.generate(self._request(photo, job, purse))
        picture = await self.workers.run(deliver, made.master, self.drawing.format)
        return MakerResult(picture.data, made.facts(), _remark(made), final=not made.degraded)

    def _plan(self, photo: Photo, job: Job) -> PicturePlan:
        return self.generate.plan(self._request(photo, job, None))

    def _request(self, photo: Photo, job: Job, purse: Budget | None) -> GenerateRequest:
        drawing = self.drawing
        owner = job.owner or drawing.owner
        return GenerateRequest(
            photo,
            job.style,
            owner,
            model=drawing.model,
            remove_background=drawing.remove_background,
            background=drawing.background,
            cache=drawing.cache,
            fallback=self.steps,
            cover_setup=False,
            deadline=drawing.deadline,
            overtime=OVERTIME,
            wait_for_quota=self.patient,
            budget=purse,
            charge=self.charge(owner),
        )


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
