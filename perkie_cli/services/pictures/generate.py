"""One picture in one style: check, look up, coalesce, draw, keep. The CLI and HTTP both end here."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import PerkieError, QuotaExceeded, UsageError
from perkie_cli.domain.money.spend import Receipt, Usage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.cache_key import CacheKey, Recipe, content_hash
from perkie_cli.domain.pictures.request import CacheOutcome, CacheUse, Generated, GenerateRequest
from perkie_cli.domain.pictures.style import Style, StyleBook
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Decoded
from perkie_cli.ports import Clock, PricedEngine, RenderJob, StyleEngine, Workers
from perkie_cli.resilience.admission import Admission
from perkie_cli.resilience.coalesce import Coalescer
from perkie_cli.services.cutouts.source import CutoutSource
from perkie_cli.services.pictures.cache import Found, PictureCache
from perkie_cli.services.pictures.ladder import Ladder
from perkie_cli.services.pictures.payers import Payers, Tab
from perkie_cli.services.quotas.quotas import Quotas
from perkie_cli.system.waiting import CLEANUP, time_limit, within

if TYPE_CHECKING:
    from perkie_cli.services.pictures.near_duplicates import NearDuplicates

LOCAL = "local"
QUOTA_IN_MEMORY = "quotas are counted in memory, since their store does not answer"


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request with everything that follows from it before any pixel is touched."""

    request: GenerateRequest
    style: Style
    engine: StyleEngine
    recipe: Recipe
    key: CacheKey
    cutout: str | None  # the recipe of the cut-out that is drawn
    deadline: Deadline
    started: float


class Generate:
    """The use case. ``engines`` maps ``auto`` and every engine's name to one."""

    def __init__(
        self,
        *,
        styles: StyleBook,
        engines: Mapping[str, StyleEngine],
        cache: PictureCache,
        workers: Workers,
        clock: Clock,
        limits: ImageLimits,
        quotas: Quotas,
        ladder: Ladder,
        admission: Admission,
        cutouts: CutoutSource,
        near: NearDuplicates | None = None,
    ) -> None:
        self._styles = styles
        self._engines = engines
        self._cache = cache
        self._workers = workers
        self._clock = clock
        self._limits = limits
        self._quotas = quotas
        self._cutouts = cutouts
        self._ladder = ladder
        self._admission = admission
        self._near = near
        self._payers = Payers(quotas)
        self._coalescer: Coalescer[Generated] = Coalescer()

    def key(self, request: GenerateRequest) -> CacheKey:
        """The content address that the request would be kept under.

        Raises: UnknownStyle, UsageError, InvalidParameter.
        """
        return self._plan(request).key

    def estimate(self, request: GenerateRequest) -> Decimal:
        """Dollars that the picture is expected to cost if it has to be drawn.

        Raises: as ``key``.
        """
        engine = self._engine(request.engine)
        return engine.price(request.size, request.model) if isinstance(engine, PricedEngine) else Decimal(0)

    async def __call__(self, request: GenerateRequest) -> Generated:
        """Raises: BadInput, UsageError, QuotaExceeded, AtCapacity, DeadlineExceeded, BudgetExceeded, and what the
        engine raises where the request allows no fallback.
        """
        plan = self._plan(request)
        seen = codec.inspect(request.image, self._limits, request.source)
        # each who waits for the same picture has a deadline of its own
        found = await within(plan.deadline, self._clock, self._found(plan, seen.pixels))
        return await self._with_quota(plan, found)

    async def _found(self, plan: _Plan, pixels: int) -> Generated:
        return await self._look_up(plan) or await self._shared(plan, pixels)

    async def _shared(self, plan: _Plan, pixels: int) -> Generated:
        """Draws, or joins an identical request in flight; the picture is charged to one of all who wait for it."""
        key = (plan.key, plan.request.cache, plan.request.fallback, plan.request.cover_setup)
        led = False

        def lead() -> Awaitable[Generated]:
            nonlocal led
            led = True
            return self._make(plan, pixels, tab)

        async with self._payers.waiting(key, plan.request.charge) as tab:
            while True:
                try:
                    made, joined = await self._coalescer.run(key, lead)
                except QuotaExceeded:
                    if led:
                        raise
                else:  # a follower whose leader had no quota left comes round and leads with its own
                    return await self._as_follower(plan, made) if joined else made

    async def _with_quota(self, plan: _Plan, found: Generated) -> Generated:
        """What the owner has left after this picture."""
        if plan.request.charge is None:
            return found
        seconds = max(CLEANUP, plan.deadline.remaining(self._clock.monotonic()))
        try:
            async with time_limit(seconds, self._clock):
                status = await self._quotas.status(plan.request.charge)
        except (PerkieError, TimeoutError):
            return found  # the picture is there; what is left can be asked again
        warnings = (*found.warnings, QUOTA_IN_MEMORY) if status is not None and status.degraded else found.warnings
        return replace(found, quota=status, warnings=warnings)

    def _plan(self, request: GenerateRequest) -> _Plan:
        style = self._styles.get(request.style)
        engine = self._engine(request.engine)
        cutout = self._cutouts.fingerprint(request)
        recipe = engine.recipe(style, request.size, request.model).with_cutout(cutout)
        now = self._clock.monotonic()
        deadline = Deadline.after(request.deadline, now)
        key = CacheKey(request.hash or content_hash(request.image), style.id, recipe.fingerprint)
        return _Plan(request, style, engine, recipe, key, cutout, deadline, now)

    def _engine(self, name: str) -> StyleEngine:
        try:
            return self._engines[name]
        except KeyError:
            raise UsageError(f"unknown engine {name!r}", hint=f"Engines: {', '.join(self._engines)}.") from None

    async def _look_up(self, plan: _Plan) -> Generated | None:
        if plan.request.cache is not CacheUse.NORMAL:
            return None
        found = await self._cache.find(plan.key, plan.request.owner)
        if found is None and self._near is not None:
            found = await self._near.find(plan.key, plan.request)
        return None if found is None else self._from_cache(plan, found)

    def _from_cache(self, plan: _Plan, found: Found) -> Generated:
        facts = found.facts
        return Generated(
            master=found.picture,
            hash=plan.key.hash,
            style=plan.style.id,
            key=found.key,
            cache=found.outcome,
            engine=facts.get("engine", plan.recipe.engine),
            model=facts.get("model", plan.recipe.model),
            recipe=plan.key.fingerprint,
            processing_time=self._since(plan),
        )

    async def _make(self, plan: _Plan, pixels: int, tab: Tab) -> Generated:
        async with self._admission.hold(pixels):
            # A twin may have finished between our look-up and here.
            return await self._look_up(plan) or await self._make_anew(plan, tab)

    async def _make_anew(self, plan: _Plan, tab: Tab) -> Generated:
        request, receipt = plan.request, Receipt(plan.request.budget)
        decoded = await self._decode(request)
        job = RenderJob(
            decoded.raster,
            plan.style,
            request.size,
            plan.deadline,
            request.model,
            receipt=receipt,
            cutout=plan.cutout,
        )
        charge = plan.request.charge
        if charge is None or not self._costs(plan.engine.name):
            return await self._draw(plan, job, decoded.notes)
        async with tab.reserve(charge, plan.deadline.remaining(self._clock.monotonic())) as reservation:
            made = await self._draw(plan, job, decoded.notes)
            if self._costs(made.engine) and not made.degraded:
                await reservation.commit()
            return made

    async def _decode(self, request: GenerateRequest) -> Decoded:
        if request.remove_background:
            return await self._cutouts.decode(request)
        return await self._workers.run(codec.decode, request.image, self._limits, request.source)

    def _costs(self, engine: str) -> bool:
        """Whether a picture of that engine counts: a local rendering, also one in another's stead, is free."""
        return engine != LOCAL or self._quotas.rules.count_local

    async def _draw(self, plan: _Plan, job: RenderJob, notes: Sequence[str]) -> Generated:
        try:
            rendering = await plan.engine.render(job)
        except PerkieError as error:
            if not self._ladder.catches(error, plan.request, plan.engine.name):
                raise
            return await self._substitute(plan, job, notes, error)
        master = await self._workers.run(codec.encode_master, rendering.raster)
        result = Generated(
            master=master,
            hash=plan.key.hash,
            style=plan.style.id,
            key=None,
            cache=self._missed(plan),
            engine=rendering.engine,
            model=rendering.model,
            recipe=plan.key.fingerprint,
            processing_time=0,
            usage=rendering.usage,
            warnings=(*notes, *rendering.warnings),
        )
        kept = await self._keep(plan, result)
        return replace(kept, processing_time=self._since(plan))

    async def _substitute(self, plan: _Plan, job: RenderJob, notes: Sequence[str], error: PerkieError) -> Generated:
        """A picture in the stead of the one that could not be drawn, kept under its own recipe."""
        other = await self._ladder.descend(plan.request, plan.key, job, error)
        # ``degradation_reason`` is enough for a customer; the sentence may name what is only ours to know
        note = other.note if plan.request.cover_setup else f"{other.note} ({error.message})"
        result = Generated(
            master=other.picture,
            hash=plan.key.hash,
            style=plan.style.id,
            key=None if other.found is None else other.found.key,
            cache=self._missed(plan) if other.found is None else other.found.outcome,
            engine=other.engine,
            model=other.model,
            recipe=other.fingerprint,
            processing_time=0,
            usage=job.receipt.usage,
            degraded=True,
            degradation_reason=error.code,
            warnings=(*notes, note),
        )
        kept = await self._keep(plan, result) if other.found is None else result
        return replace(kept, processing_time=self._since(plan))

    @staticmethod
    def _missed(plan: _Plan) -> CacheOutcome:
        return CacheOutcome.OFF if plan.request.cache is CacheUse.OFF else CacheOutcome.MISS

    async def _as_follower(self, plan: _Plan, made: Generated) -> Generated:
        """The leader's picture, kept for this owner too; the leader paid for it."""
        joined = replace(made, cache=CacheOutcome.JOINED, usage=Usage())
        return replace(await self._keep(plan, joined), processing_time=self._since(plan))

    async def _keep(self, plan: _Plan, result: Generated) -> Generated:
        """Stores the picture as far as that succeeds in time: a store that hangs costs no picture in hand."""
        if plan.request.cache is CacheUse.OFF:
            return result
        key = replace(plan.key, fingerprint=result.recipe)
        owner, refresh = plan.request.owner, plan.request.cache is CacheUse.REFRESH
        seconds = max(0.0, plan.deadline.remaining(self._clock.monotonic()) - CLEANUP)
        try:
            async with time_limit(seconds, self._clock):
                facts = await self._facts(plan, result)
                warning = await self._cache.keep(key, owner, result.master, facts, replace=refresh)
        except TimeoutError:
            warning = "the picture could not be kept in time"
        except PerkieError as error:
            warning = f"the picture could not be kept: {error.message}"
        if warning is not None:
            return replace(result, warnings=(*result.warnings, warning))
        return replace(result, key=key.owned(owner, result.master.format.value))

    async def _facts(self, plan: _Plan, result: Generated) -> dict[str, str]:
        """What is stored beside the picture."""
        facts = {"style": result.style, "engine": result.engine, "model": result.model, "recipe": result.recipe}
        if result.degradation_reason is not None:
            facts["degraded"] = result.degradation_reason
        if plan.cutout is not None:
            facts["cutout"] = plan.cutout
        if self._near is not None:
            facts |= await self._near.facts(plan.key, plan.request)
        return facts

    def _since(self, plan: _Plan) -> float:
        return self._clock.monotonic() - plan.started
