"""One picture in one style. The CLI and HTTP both end here.

::

    plan → look up → join → lease → look up → turn → reserve → decode, draw or substitute, keep → commit
                     └────────── once ────────────┘ └ charges ┘        └── ladder ──┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.engines import DrawingChoice
from perkie_cli.domain.errors import PerkieError, QuotaExceeded, StoreUnavailable, UsageError
from perkie_cli.domain.events import PictureEnded, outcome_of
from perkie_cli.domain.money.spend import Receipt, Usage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome, Generated
from perkie_cli.domain.pictures.style import BackgroundUse, Style, StyleCatalogue
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Decoded
from perkie_cli.imaging.sizes import pixels_held
from perkie_cli.ports import Clock, EventSink, Loadable, PricedEngine, Rendering, RenderJob, StyleEngine, Workers
from perkie_cli.resilience.leases import Leases
from perkie_cli.resilience.once import Once
from perkie_cli.resilience.turns import Load, Turn, Turns
from perkie_cli.services.cutouts.source import CutoutSource
from perkie_cli.services.pictures.cache import PictureCache
from perkie_cli.services.pictures.charges import SharedCharge, SharedCharges
from perkie_cli.services.pictures.found import Found, master_of
from perkie_cli.services.pictures.ladder import Ladder, LadderResult
from perkie_cli.services.pictures.plan import LOCAL, PicturePlan
from perkie_cli.services.quotas.quotas import Quotas
from perkie_cli.system.waiting import CLEANUP, begin, time_limit, within

QUOTA_IN_MEMORY = "quotas are counted in memory, since their store does not answer"


class Generate:
    """The use case. ``engines`` maps ``auto`` and every engine's name to one."""

    def __init__(
        self,
        *,
        styles: StyleCatalogue,
        engines: Mapping[str, StyleEngine],
        configured: DrawingChoice,
        cache: PictureCache,
        workers: Workers,
        clock: Clock,
        limits: ImageLimits,
        quotas: Quotas,
        ladder: Ladder,
        turns: Turns,
        leases: Leases,
        cutouts: CutoutSource,
        events: EventSink,
    ) -> None:
        self._styles = styles
        self._engines = engines
        self._configured = configured
        self._cache = cache
        self._workers = workers
        self._clock = clock
        self._limits = limits
        self._quotas = quotas
        self._ladder = ladder
        self._cutouts = cutouts
        self._events = events
        self._charges = SharedCharges(quotas)
        self._once: Once[Generated] = Once(turns, leases, personal=(QuotaExceeded,))

    async def __call__(self, request: GenerateRequest) -> Generated:
        """The picture, from the cache or drawn.

        Raises: as ``plan`` and ``carry_out``.
        """
        return await self.carry_out(self.plan(request))

    def plan(self, request: GenerateRequest) -> PicturePlan:
        """Plans the request. Its deadline starts now, unless the request says since when it runs.

        Raises: UnknownStyle, UsageError, InvalidParameter.
        """
        now = self._clock.monotonic()
        style = self._style(request)
        engine = self.engine(request.engine)
        size = request.size or self._configured.size
        cutout = self._cutouts.fingerprint(request)
        recipe = engine.recipe(style, size, request.model).with_cutout(cutout)
        key = CacheKey(request.photo.hash, style.id, recipe.fingerprint)
        return PicturePlan(request, style, engine, size, recipe, key, cutout, _deadline(request, now), now)

    async def carry_out(self, plan: PicturePlan) -> Generated:
        """Makes the planned picture; adds the owner's remaining quota.

        Raises: BadInput, QuotaExceeded, AtCapacity, DeadlineExceeded, BudgetExceeded, and the engine's errors if the
        request allows no fallback.
        """
        try:  # every waiter for the same picture has its own deadline
            found = await within(plan.ends, self._clock, self._found_or_made(plan))
            made = await self._with_quota(plan, plan.remarked(found))
        except BaseException as error:
            recipe, missed = plan.recipe, CacheOutcome.MISS
            self._tell(plan, recipe.engine, recipe.model, missed, outcome_of(error))
            raise
        self._tell(plan, made.engine, made.model, made.cache, "degraded" if made.degraded else "ok")
        return made

    def _tell(self, plan: PicturePlan, engine: str, model: str, cache: CacheOutcome, outcome: str) -> None:
        self._events.emit(PictureEnded(plan.style.id, engine, model, cache.value, outcome, self._since(plan)))

    async def is_cached(self, plan: PicturePlan) -> bool:
        """Whether the planned picture would come from the cache, near-duplicates aside. Nothing is read or moved.

        Raises: the store's errors.
        """
        return await self._cache.holds(plan.key, plan.request.owner)

    async def deferred(self, plan: PicturePlan) -> RenderJob:
        """The planned picture as a job for an upstream that draws it later. The photo is not cut out.

        Raises: BadInput.
        """
        decoded = await self._workers.run(codec.decode_photo, plan.request.photo, self._limits)
        return RenderJob(decoded.raster, plan.style, plan.size, model=plan.request.model)

    async def take_in(self, plan: PicturePlan, rendering: Rendering, fingerprint: str) -> Generated:
        """Keeps a picture that was drawn for this plan before, by a recipe of that fingerprint.

        Raises: StoreUnavailable if it could not be kept.
        """
        master, notes = await self._workers.run(master_of, rendering)
        made_by = (rendering.engine, rendering.model, fingerprint)
        drawn = LadderResult(master, *made_by, rendering.usage, (*rendering.warnings, *notes))
        kept = await self._keep(plan, self._result(plan, drawn, (), None))
        if kept.key is None:
            raise StoreUnavailable(kept.warnings[-1])
        return replace(kept, processing_time=self._since(plan))

    def _style(self, request: GenerateRequest) -> Style:
        style = self._styles.get(request.style)
        if request.background is None:
            return style
        if request.remove_background and request.background is BackgroundUse.KEEP:
            raise UsageError("remove_background and background=keep contradict each other", hint="Ask for one of them.")
        return style.varied(background=request.background.value)

    def engine(self, name: str | None = None) -> StyleEngine:
        """The engine of that name, or the configured one.

        Raises: UsageError.
        """
        name = name or self._configured.engine
        try:
            return self._engines[name]
        except KeyError:
            raise UsageError(f"unknown engine {name!r}", hint=f"Engines: {', '.join(self._engines)}.") from None

    def price(self, engine: str | None = None, size: int | None = None, model: str | None = None) -> Decimal:
        """The estimated cost in dollars of one picture, if it has to be drawn.

        Raises: UsageError, RetiredModel, InvalidParameter.
        """
        drawing = self.engine(engine)
        size = size or self._configured.size
        return drawing.price(size, model) if isinstance(drawing, PricedEngine) else Decimal(0)

    async def _found_or_made(self, plan: PicturePlan) -> Generated:
        return await self._look_up(plan) or await self._shared(plan)

    async def _shared(self, plan: PicturePlan) -> Generated:
        """Draws, or joins an identical request in flight; one of all waiters is charged for the picture."""
        request = plan.request
        key = (plan.key, request.cache, request.fallback, request.cover_setup)
        async with self._charges.shared(key, request.charge) as charge:
            made, joined = await self._once.make(
                key,
                self._load(plan),
                find=lambda: self._look_up(plan),
                make=lambda turn: self._charged(plan, charge, turn),
                leased=plan.leased,
            )
            return await self._as_follower(plan, made) if joined else made

    def _load(self, plan: PicturePlan) -> Load:
        """What drawing takes here. Pictures of one style whose sizes are within a factor of two take about as long."""
        seen = plan.request.photo.seen
        kind = (plan.engine.name, plan.style.id, seen.pixels.bit_length())
        return Load(pixels_held(seen, self._limits.max_side), kind, plan.ends, plan.started)

    async def _look_up(self, plan: PicturePlan) -> Generated | None:
        request = plan.request
        if request.cache is not CacheUse.NORMAL:
            return None
        found = await self._cache.find(plan.key, request.owner, request.photo)
        return None if found is None else self._from_cache(plan, found)

    def _from_cache(self, plan: PicturePlan, found: Found) -> Generated:
        facts = found.facts
        return Generated(
            master=found.picture,
            hash=plan.key.hash,
            style=plan.style.id,
            key=found.key,
            cache=found.outcome,
            engine=facts.get("engine", plan.recipe.engine),
            model=facts.get("model", plan.recipe.model),
            fingerprint=plan.key.fingerprint,
            processing_time=self._since(plan),
        )

    async def _charged(self, plan: PicturePlan, shared: SharedCharge, turn: Turn) -> Generated:
        """Draws with a reservation of the day's quota, if the engine's pictures count."""
        charge = plan.request.charge
        if charge is None or not self._counts(plan.engine.name):
            return await self._draw(plan, turn)
        async with shared.reserve(charge, plan.ends.remaining(self._clock.monotonic())) as reservation:
            made = await self._draw(plan, turn)
            if self._counts(made.engine) and not made.degraded:
                await reservation.commit()
            return made

    def _counts(self, engine: str) -> bool:
        """Whether pictures of that engine are charged: a local rendering is free, also as a substitute."""
        return engine != LOCAL or self._quotas.rules.count_local

    async def _draw(self, plan: PicturePlan, turn: Turn) -> Generated:
        request = plan.request
        decoded, reason, plan = await self._decode(plan, turn)
        job = RenderJob(
            decoded.raster,
            plan.style,
            plan.size,
            plan.deadline,
            request.model,
            receipt=Receipt(request.budget),
            owner=request.spender,
            cutout=plan.cutout,
            wait_for_quota=request.wait_for_quota,
            sending=turn.aside,
        )
        drawn = await self._ladder.draw(plan.engine, job, request, plan.key, turn)
        result = self._result(plan, drawn, decoded.notes, reason)
        kept = await self._keep(plan, result) if drawn.found is None else result
        return replace(kept, processing_time=self._since(plan))

    async def _decode(self, plan: PicturePlan, turn: Turn) -> tuple[Decoded, str | None, PicturePlan]:
        """The photo or its cut-out; the reason for a substitute cut-out, if any; the plan adapted to it."""
        photo = plan.request.photo
        if plan.cutout is None:
            if isinstance(plan.engine, Loadable) and not photo.seen.has_alpha:
                begin(plan.engine.load())  # ``render`` tells its errors
            return await self._workers.run(codec.decode_photo, photo, self._limits), None, plan
        async with turn.aside():  # cut-outs have a queue of their own
            decoded, cutout = await self._cutouts.decode(plan.request)
        return decoded, cutout.degradation_reason, plan.cut_out_by(cutout.fingerprint)

    @staticmethod
    def _result(plan: PicturePlan, drawn: LadderResult, notes: Sequence[str], cutout_reason: str | None) -> Generated:
        reason = drawn.reason or cutout_reason
        missed = CacheOutcome.OFF if plan.request.cache is CacheUse.OFF else CacheOutcome.MISS
        return Generated(
            master=drawn.picture,
            hash=plan.key.hash,
            style=plan.style.id,
            key=None if drawn.found is None else drawn.found.key,
            cache=missed if drawn.found is None else drawn.found.outcome,
            engine=drawn.engine,
            model=drawn.model,
            fingerprint=drawn.fingerprint,
            processing_time=0,
            usage=drawn.usage,
            degraded=reason is not None,
            degradation_reason=reason,
            warnings=(*notes, *drawn.warnings),
        )

    async def _as_follower(self, plan: PicturePlan, made: Generated) -> Generated:
        """The leader's picture, stored for this owner too; the leader paid for it."""
        joined = replace(made, cache=CacheOutcome.JOINED, usage=Usage())
        return replace(await self._keep(plan, joined), processing_time=self._since(plan))

    async def _keep(self, plan: PicturePlan, result: Generated) -> Generated:
        """Stores the picture if that succeeds in time: a hanging store must not cost a finished picture."""
        request = plan.request
        if request.cache is CacheUse.OFF:
            return result
        key = replace(plan.key, fingerprint=result.fingerprint)
        seconds = max(0.0, plan.ends.remaining(self._clock.monotonic()) - CLEANUP)
        try:
            async with time_limit(seconds, self._clock):
                warning = await self._cache.keep(
                    key,
                    request.owner,
                    result.master,
                    plan.facts(result),
                    request.photo,
                    replace=request.cache is CacheUse.REFRESH,
                )
        except TimeoutError:
            warning = "the picture could not be kept in time"
        if warning is not None:
            return replace(result, warnings=(*result.warnings, warning))
        return replace(result, key=key.owned(request.owner, result.master.format.value))

    async def _with_quota(self, plan: PicturePlan, found: Generated) -> Generated:
        if plan.request.charge is None:
            return found
        seconds = max(CLEANUP, plan.ends.remaining(self._clock.monotonic()))
        try:
            async with time_limit(seconds, self._clock):
                status = await self._quotas.status(plan.request.charge)
        except (PerkieError, TimeoutError):
            return found  # the picture is finished; the quota can be queried again
        warnings = (*found.warnings, QUOTA_IN_MEMORY) if status is not None and status.degraded else found.warnings
        return replace(found, quota=status, warnings=warnings)

    def _since(self, plan: PicturePlan) -> float:
        return self._clock.monotonic() - plan.started


def _deadline(request: GenerateRequest, now: float) -> Deadline:
    return Deadline.after(request.deadline, now if request.since is None else request.since)
