"""One picture without its background.

::

    plan → look up → join → admit → look up → decode, matte, clean the edge, keep → judge → put before a new background
                     └────── once ─────────┘
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from perkie_cli.domain.cutouts.request import Background, BackgroundKind, CutoutOutput, CutoutRequest, Framing
from perkie_cli.domain.cutouts.result import LOW_CONFIDENCE, Cutout
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.engines import STAND_IN, MattingChoice
from perkie_cli.domain.errors import LowConfidence, PerkieError, UsageError
from perkie_cli.domain.events import CutoutEnded, Degraded, outcome_of
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.domain.pictures.cache_key import Recipe, cutout_key
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.domain.policy import Cover
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.storage.metadata import LONGEST
from perkie_cli.imaging import codec
from perkie_cli.imaging.sizes import pixels_held
from perkie_cli.ports import Clock, EventSink, Loadable, Matte, MattingEngine, MattingJob, Workers
from perkie_cli.resilience.once import Once
from perkie_cli.resilience.turns import Load, Turn, Turns
from perkie_cli.services.pictures.cache import PictureCache
from perkie_cli.services.pictures.found import Found
from perkie_cli.system.waiting import begin, within

if TYPE_CHECKING:
    from perkie_cli.imaging.raster import Raster

_KIND = "cutout"  # the label in the metrics of cache look-ups
_BETWEEN = " | "  # notes, stored as one fact
_OURS = ImageLimits(min_side=1)  # already ours: only check that it is intact


@frozen
class CutoutPlan:
    """A request with everything that can be decided before decoding the photo."""

    request: CutoutRequest
    engine: MattingEngine
    mode: str
    recipe: Recipe
    key: str
    deadline: Deadline
    started: float


@frozen
class _Made:
    """A cut-out before background and framing, with its facts. ``raster`` is None when it came from the cache;
    ``reason`` is the code of the error that led to a substitute.
    """

    plan: CutoutPlan
    master: EncodedPicture
    raster: Raster | None
    facts: Mapping[str, str]
    outcome: CacheOutcome
    kept: bool
    warnings: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def confidence(self) -> float:
        try:
            return float(self.facts.get("confidence", "1"))
        except ValueError:  # somebody's tool wrote the facts
            return 1.0


class Cutouts:
    """The use case. ``engines`` maps ``auto`` and every engine's name to one."""

    def __init__(
        self,
        *,
        engines: Mapping[str, MattingEngine],
        configured: MattingChoice,
        cache: PictureCache,
        workers: Workers,
        clock: Clock,
        limits: ImageLimits,
        turns: Turns,
        events: EventSink,
    ) -> None:
        self._engines = engines
        self._configured = configured
        self._cache = cache
        self._workers = workers
        self._clock = clock
        self._limits = limits
        self._events = events
        self._once: Once[_Made] = Once(turns)

    async def __call__(self, request: CutoutRequest) -> Cutout:
        """The cut-out, from the cache or made.

        Raises: as ``plan`` and ``carry_out``.
        """
        return await self.carry_out(self.plan(request))

    def plan(self, request: CutoutRequest) -> CutoutPlan:
        """Plans the request. Its deadline starts now.

        Raises: UsageError, InvalidParameter.
        """
        now = self._clock.monotonic()
        engine, mode = self.engine(request.engine), request.mode or self._configured.mode
        recipe = engine.recipe(mode)
        key = cutout_key(request.photo.hash, recipe.fingerprint)
        return CutoutPlan(request, engine, mode, recipe, key, Deadline.after(request.deadline, now), now)

    async def carry_out(self, plan: CutoutPlan) -> Cutout:
        """Makes the planned cut-out.

        Raises: BadInput, DeadlineExceeded, LowConfidence when strict, AtCapacity, and the engine's errors.
        """
        try:
            made, picture = await within(plan.deadline, self._clock, self._finished(plan))
        except BaseException as error:
            recipe = plan.recipe
            self._tell(plan, recipe.engine, recipe.model, CacheOutcome.MISS, outcome_of(error))
            raise
        result = _result(made, picture, self._clock.monotonic() - plan.started)
        self._tell(plan, result.engine, result.model, result.cache, "degraded" if made.reason is not None else "ok")
        return result

    def _tell(self, plan: CutoutPlan, engine: str, model: str, cache: CacheOutcome, outcome: str) -> None:
        seconds = self._clock.monotonic() - plan.started
        self._events.emit(CutoutEnded(engine, model, cache.value, outcome, seconds))

    async def is_cached(self, plan: CutoutPlan) -> bool:
        """Whether the planned cut-out would come from the cache. Raises: the store's errors."""
        return await self._cache.holds_at(plan.key)

    def recipe(self, engine: str | None = None, mode: str | None = None) -> Recipe:
        """Everything that decides a cut-out apart from the picture; None uses the configured engine and mode.

        Raises: UsageError, InvalidParameter.
        """
        return self.engine(engine).recipe(mode or self._configured.mode)

    def engine(self, name: str | None = None) -> MattingEngine:
        """The engine of that name, or the configured one.

        Raises: UsageError.
        """
        name = name or self._configured.engine
        try:
            return self._engines[name]
        except KeyError:
            known = (
                f"There is {', '.join(self._engines)}; remote needs matting.remote_url, others a row in models.toml."
            )
            raise UsageError(
                f"there is no matting engine {name[:30]!r}",
                hint=f"{did_you_mean(name[:100], self._engines)} {known}".lstrip(),
            ) from None

    async def _finished(self, plan: CutoutPlan) -> tuple[_Made, EncodedPicture]:
        made = await self._found_or_made(plan)
        _judge(made, plan.request)
        return made, await self._finish(plan, made)

    async def _found_or_made(self, plan: CutoutPlan) -> _Made:
        """The cut-out by the planned engine or its substitute. Raises: the planned engine's errors."""
        try:
            return await self._look_up(plan) or await self._shared(plan)
        except PerkieError as error:
            other = self._stand_in(plan, error)
            if other is None:
                raise
            try:
                made = await self._look_up(other) or await self._shared(other)
            except PerkieError:
                raise error from None
            self._events.emit(Degraded(_KIND, error.code, STAND_IN, "builtin", error.message, error.hint))
            return replace(made, reason=error.code, warnings=(*made.warnings, _substitute_warning(plan.request, error)))

    def _stand_in(self, plan: CutoutPlan, error: PerkieError) -> CutoutPlan | None:
        """The plan for the builtin engine; None if the request allows no substitute for this error."""
        request = plan.request
        covered = error.covered is Cover.ALWAYS or (error.covered is Cover.SETUP and request.cover_setup)
        engine = self._engines.get(STAND_IN)
        if not (covered and request.fallback) or engine is None or plan.engine.name == STAND_IN:
            return None
        recipe = engine.recipe(plan.mode)
        return replace(plan, engine=engine, recipe=recipe, key=cutout_key(request.photo.hash, recipe.fingerprint))

    async def raster(self, request: CutoutRequest) -> tuple[Raster, Cutout]:
        """The decontaminated cut-out as pixels, without framing or background. Raises: as ``__call__``."""
        plain = replace(
            request,
            output=CutoutOutput.RGBA,
            format=ImageFormat.PNG,
            background=Background(),
            framing=Framing(),
        )
        cutout = await self(plain)
        return await self._workers.run(_decode_master, cutout.picture), cutout

    async def _look_up(self, plan: CutoutPlan) -> _Made | None:
        if plan.request.cache is not CacheUse.NORMAL:
            return None
        found: Found | None = await self._cache.find_at(plan.key, _KIND)
        if found is None:
            return None
        warnings = tuple(filter(None, found.facts.get("notes", "").split(_BETWEEN)))
        return _Made(plan, found.picture, None, found.facts, found.outcome, True, warnings)

    async def _shared(self, plan: CutoutPlan) -> _Made:
        made, joined = await self._once.make(
            (plan.key, plan.request.cache),
            self._load(plan),
            find=lambda: self._look_up(plan),
            make=lambda turn: self._make(plan, turn),
        )
        return replace(made, outcome=CacheOutcome.JOINED) if joined else made

    def _load(self, plan: CutoutPlan) -> Load:
        """What cutting out takes here; pictures whose sizes are within a factor of two take about as long."""
        seen = plan.request.photo.seen
        kind = (plan.engine.name, plan.mode, seen.pixels.bit_length())
        return Load(pixels_held(seen, self._limits.max_side), kind, plan.deadline, plan.started)

    async def _make(self, plan: CutoutPlan, turn: Turn) -> _Made:
        request = plan.request
        if isinstance(plan.engine, Loadable):
            begin(plan.engine.load())  # ``matte`` tells its errors
        decoded = await self._workers.run(codec.decode_photo, request.photo, self._limits)
        job = MattingJob(decoded.raster, plan.mode, plan.deadline, request.photo.data)
        async with nullcontext() if plan.engine.name == STAND_IN else turn.aside():  # others queue by themselves
            matte = await plan.engine.matte(job)
        raster, master = await self._workers.run(cut_out, decoded.raster, matte)
        made = _Made(plan, master, raster, _facts(matte), CacheOutcome.MISS, True, (*decoded.notes, *matte.notes))
        if request.cache is CacheUse.OFF:
            return replace(made, outcome=CacheOutcome.OFF, kept=False)
        warning = await self._cache.keep_at(
            plan.key,
            master,
            {**made.facts, "notes": _BETWEEN.join(made.warnings)[:LONGEST]},
            replace=request.cache is CacheUse.REFRESH,
        )
        return made if warning is None else replace(made, kept=False, warnings=(*made.warnings, warning))

    async def _finish(self, plan: CutoutPlan, made: _Made) -> EncodedPicture:
        request = plan.request
        plain = request.background.kind is BackgroundKind.TRANSPARENT and request.framing.is_plain
        if plain and request.output is CutoutOutput.RGBA and request.format is ImageFormat.PNG:
            return made.master
        return await self._workers.run(_compose, request, made, self._limits)


def cut_out(raster: Raster, matte: Matte) -> tuple[Raster, EncodedPicture]:
    """The picture with the matte as alpha and the old background's colour removed from its edges; also as a PNG.

    Pixels that were already transparent stay transparent.
    """
    import numpy as np

    from perkie_cli.imaging.decontaminate import decontaminate
    from perkie_cli.imaging.raster import Raster as Made
    from perkie_cli.imaging.raster import at_full_strength

    alpha = matte.alpha if raster.alpha is None else np.minimum(matte.alpha, raster.alpha)
    cut = Made(decontaminate(raster.rgb, at_full_strength(alpha)), alpha)
    return cut, codec.encode(cut, ImageFormat.PNG)


def _decode_master(master: EncodedPicture) -> Raster:
    from perkie_cli.imaging.raster import with_alpha

    return with_alpha(codec.decode(master.data, _OURS, "the stored cut-out").raster)


def _compose(request: CutoutRequest, made: _Made, limits: ImageLimits) -> EncodedPicture:
    from perkie_cli.imaging.compose import compose, mask, opaque

    cut = made.raster or _decode_master(made.master)
    if request.output is CutoutOutput.MASK:
        return codec.encode(mask(cut, request.framing), request.format)
    original = picture = None
    background = request.background
    if background.kind is BackgroundKind.BLUR:
        original = opaque(codec.decode_photo(request.photo, limits).raster).rgb
    if background.picture is not None:
        photo = background.picture
        picture = codec.decode(photo.data, replace(limits, min_side=1), photo.name).raster
    return codec.encode(compose(cut, request.framing, background, original, picture), request.format)


def _facts(matte: Matte) -> dict[str, str]:
    confidence = f"{matte.confidence:.3f}" if math.isfinite(matte.confidence) else "0"
    return {"engine": matte.engine, "model": matte.model, "device": matte.device, "confidence": confidence}


def _judge(made: _Made, request: CutoutRequest) -> None:
    if request.strict and made.confidence < LOW_CONFIDENCE:
        why = f": {'; '.join(made.warnings)}" if made.warnings else ""
        raise LowConfidence(
            f"{request.photo.name}: confidence {made.confidence:.2f} is under {LOW_CONFIDENCE:g}{why}",
            hint="Check the picture, or leave out --strict to get the result with a warning.",
        )


def _substitute_warning(request: CutoutRequest, error: PerkieError) -> str:
    """The warning about a substitute. Customers only see ``reason``; the message may contain internal details."""
    note = "cut out by the builtin engine, because the usual one is not available now"
    return note if request.cover_setup else f"{note} ({error.message})"


def _result(made: _Made, picture: EncodedPicture, seconds: float) -> Cutout:
    plan = made.plan
    low = made.confidence < LOW_CONFIDENCE
    doubt = (f"low confidence ({made.confidence:.2f}): check the result",) if low else ()
    return Cutout(
        picture=picture,
        hash=plan.request.photo.hash,
        key=plan.key if made.kept else None,
        cache=made.outcome,
        engine=made.facts["engine"],
        model=made.facts["model"],
        device=made.facts["device"],
        fingerprint=plan.recipe.fingerprint,
        confidence=made.confidence,
        processing_time=seconds,
        degradation_reason=made.reason,
        warnings=(*made.warnings, *doubt),
    )
