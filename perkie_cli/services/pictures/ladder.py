"""The degradation ladder: substitutes when the upstream cannot draw. Always of the customer's own pet, always labelled.

::

    fresh cache → upstream → an older recipe or model of the same picture → the local engine → Unavailable
    generate      └────────────────────────────── here ─────────────────────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import field, replace

from perkie_cli.domain.errors import AtCapacity, PerkieError, Unavailable
from perkie_cli.domain.events import Degraded
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Usage
from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.domain.policy import Cover
from perkie_cli.ports import Clock, EventSink, RenderJob, StyleEngine, Workers
from perkie_cli.resilience.pace import Pace
from perkie_cli.resilience.turns import Turn
from perkie_cli.services.pictures.cache import PictureCache
from perkie_cli.services.pictures.found import Found, master_of

LATE = "the picture was ready {:.1f} s after the deadline"
RETRY_AFTER = 60.0  # seconds, if the upstream's error has none


@frozen
class LadderResult:
    """The result of a job: the picture, or a substitute with a ``reason`` (the code of the error).

    ``fingerprint`` is that of the recipe that made it; ``found``: it was in the cache.
    """

    picture: EncodedPicture
    engine: str
    model: str
    fingerprint: str
    usage: Usage = field(default_factory=Usage)
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    found: Found | None = None


class Ladder:
    """Draws with the chosen engine; if that fails, uses the best substitute that the request allows."""

    def __init__(
        self,
        cache: PictureCache,
        local: StyleEngine,
        workers: Workers,
        events: EventSink,
        clock: Clock,
        pace: Pace,
    ) -> None:
        """``pace`` records how long the local engine takes."""
        self._cache = cache
        self._local = local
        self._workers = workers
        self._events = events
        self._clock = clock
        self._pace = pace

    async def draw(
        self, engine: StyleEngine, job: RenderJob, request: GenerateRequest, key: CacheKey, turn: Turn
    ) -> LadderResult:
        """The picture of ``key``, or a substitute, which takes the turn's lane again.

        Raises: the engine's errors that the ladder does not catch; Unavailable with a friendly message when every
        allowed step fails.
        """
        try:
            return await self._drawn(engine, job, key.fingerprint)
        except PerkieError as error:
            if not self._catches(error, request, engine.name):
                raise
            return await self._descend(job, request, key, error, turn)

    async def _drawn(self, engine: StyleEngine, job: RenderJob, fingerprint: str) -> LadderResult:
        rendering = await engine.render(job)
        master, notes = await self._workers.run(master_of, rendering)
        warnings = (*rendering.warnings, *notes)
        return LadderResult(master, rendering.engine, rendering.model, fingerprint, rendering.usage, warnings)

    def _catches(self, error: PerkieError, request: GenerateRequest, engine: str) -> bool:
        """Whether the ladder catches this error: faults of the upstream and its limits, never the caller's."""
        if engine == self._local.name or not request.fallback:
            return False
        return error.covered is Cover.ALWAYS or (error.covered is Cover.SETUP and request.cover_setup)

    async def _descend(
        self, job: RenderJob, request: GenerateRequest, key: CacheKey, error: PerkieError, turn: Turn
    ) -> LadderResult:
        other, step = await self._older(job, request, key, error), "older"
        if other is None and Fallback.LOCAL in request.fallback:
            other, step = await self._local_drawing(job, request, key, error, turn), "local"
        if other is None:
            raise _sorry(request, error) from error
        self._events.emit(Degraded(job.style.id, error.code, other.engine, step, error.message, error.hint))
        late = self._clock.monotonic() - job.deadline.due
        return replace(other, warnings=(*other.warnings, LATE.format(late))) if late > 0 else other

    async def _older(
        self, job: RenderJob, request: GenerateRequest, key: CacheKey, error: PerkieError
    ) -> LadderResult | None:
        if Fallback.CACHE not in request.fallback or request.cache is not CacheUse.NORMAL:
            return None
        older = await self._cache.find_older(
            key, request.owner, but_not_by=self._local.name, cut_out=job.cutout is not None
        )
        if older is None:
            return None
        note = "an earlier picture of this pet in this style, because a new one cannot be drawn now"
        facts = older.facts
        return _substitute(job, request, error, older, (facts["engine"], facts["model"], facts["recipe"]), note)

    async def _local_drawing(
        self, job: RenderJob, request: GenerateRequest, key: CacheKey, error: PerkieError, turn: Turn
    ) -> LadderResult | None:
        recipe = self._local.recipe(job.style, job.size).with_cutout(job.cutout)
        made_by = (recipe.engine, recipe.model, recipe.fingerprint)
        note = "drawn by the local engine, because the usual one cannot draw now"
        if request.cache is CacheUse.NORMAL:
            own = CacheKey(key.hash, key.style, recipe.fingerprint)
            if (kept := await self._cache.find(own, request.owner)) is not None:
                return _substitute(job, request, error, kept, made_by, note)
        try:
            await turn.back(job.deadline.later(request.overtime))
            drawn = await self._paced(job, recipe.fingerprint)
        except AtCapacity as second:
            raise _sorry(request, error, second.retry_after) from second
        except Unavailable as second:
            raise _sorry(request, error) from second
        return _substitute(job, request, error, drawn.picture, made_by, note)

    async def _paced(self, job: RenderJob, fingerprint: str) -> LadderResult:
        began = self._clock.monotonic()
        try:
            return await self._drawn(self._local, job, fingerprint)
        finally:
            self._pace.took(self._clock.monotonic() - began)


def _substitute(
    job: RenderJob,
    request: GenerateRequest,
    error: PerkieError,
    picture: Found | EncodedPicture,
    made_by: tuple[str, str, str],
    note: str,
) -> LadderResult:
    """Returns a substitute, and reports it. ``made_by``: engine, model and the fingerprint of the recipe."""
    found = picture if isinstance(picture, Found) else None
    # customers only see ``reason``; the message may contain internal details
    warning = note if request.cover_setup else f"{note} ({error.message})"
    return LadderResult(
        picture.picture if isinstance(picture, Found) else picture,
        *made_by,
        usage=job.receipt.usage,
        warnings=(warning,),
        reason=error.code,
        found=found,
    )


def _sorry(request: GenerateRequest, error: PerkieError, retry_after: float | None = None) -> Unavailable:
    return Unavailable(
        "pictures cannot be drawn right now; your photo is fine, please try again in a little while",
        hint=None if request.cover_setup else f"The cause: {error.message}.",  # hidden from customers
        retry_after=retry_after or error.retry_after or RETRY_AFTER,
    )
