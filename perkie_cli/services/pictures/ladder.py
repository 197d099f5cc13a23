"""The degradation ladder: what a customer gets when the upstream cannot draw. Always the own pet, always labelled.

::

    fresh cache → upstream → an older recipe or model of the same picture → the local engine → Unavailable
    └── services.generate ──┘ └───────────────────────── here ──────────────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass

from perkie_cli.domain.errors import Cover, PerkieError, Unavailable
from perkie_cli.domain.events import Degraded
from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.domain.pictures.cache_key import CacheKey
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.imaging import codec
from perkie_cli.ports import EventSink, RenderJob, StyleEngine, Workers
from perkie_cli.services.pictures.cache import Found, PictureCache

RETRY_AFTER = 60.0  # seconds, where the upstream's error does not say


@dataclass(frozen=True, slots=True)
class Substitute:
    """A picture in another's stead. ``found``: it lay in the cache; ``note`` tells the customer."""

    picture: EncodedPicture
    engine: str
    model: str
    fingerprint: str
    note: str
    found: Found | None = None


class Ladder:
    """The steps below the upstream."""

    def __init__(self, cache: PictureCache, local: StyleEngine, workers: Workers, events: EventSink) -> None:
        self._cache = cache
        self._local = local
        self._workers = workers
        self._events = events

    def catches(self, error: PerkieError, request: GenerateRequest, engine: str) -> bool:
        """Whether the ladder is for this: what the upstream or its limits did, never what the caller did."""
        if engine == self._local.name or not request.fallback:
            return False
        return error.covered is Cover.ALWAYS or (error.covered is Cover.SETUP and request.cover_setup)

    async def descend(self, request: GenerateRequest, key: CacheKey, job: RenderJob, error: PerkieError) -> Substitute:
        """The best substitute that the request allows.

        Raises: Unavailable with a kind sentence, when no step of those allowed holds.
        """
        substitute = await self._older(request, key, job)
        if substitute is None and Fallback.LOCAL in request.fallback:
            substitute = await self._drawn(request, key, job, error)
        if substitute is None:
            raise _sorry(request, error) from error
        self._events.emit(Degraded(job.style.id, error.code, substitute.engine, error.message))
        return substitute

    async def _older(self, request: GenerateRequest, key: CacheKey, job: RenderJob) -> Substitute | None:
        if Fallback.CACHE not in request.fallback or request.cache is not CacheUse.NORMAL:
            return None
        older = await self._cache.find_older(
            key, request.owner, besides=self._local.name, cut_out=job.cutout is not None
        )
        if older is None:
            return None
        facts = older.facts
        note = "an earlier picture of this pet in this style, since a new one cannot be drawn now"
        return Substitute(older.picture, facts["engine"], facts["model"], facts["recipe"], note, older)

    async def _drawn(
        self, request: GenerateRequest, key: CacheKey, job: RenderJob, error: PerkieError
    ) -> Substitute | None:
        recipe = self._local.recipe(job.style, job.size).with_cutout(job.cutout)
        note = "drawn by the built-in engine, since the usual one cannot draw now"
        if request.cache is CacheUse.NORMAL:
            own = CacheKey(key.hash, key.style, recipe.fingerprint)
            if (kept := await self._cache.find(own, request.owner)) is not None:
                return Substitute(kept.picture, recipe.engine, recipe.model, recipe.fingerprint, note, kept)
        try:
            rendering = await self._local.render(job)
        except Unavailable as second:
            raise _sorry(request, error) from second
        master = await self._workers.run(codec.encode_master, rendering.raster)
        return Substitute(master, rendering.engine, rendering.model, recipe.fingerprint, note)


def _sorry(request: GenerateRequest, error: PerkieError) -> Unavailable:
    return Unavailable(
        "pictures cannot be drawn right now; your photo is fine, please try again in a little while",
        hint=None if request.cover_setup else f"The cause: {error.message}.",  # not a customer's to know
        retry_after=error.retry_after or RETRY_AFTER,
    )
