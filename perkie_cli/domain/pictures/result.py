"""One finished picture, and the facts about it that every answer carries."""

from __future__ import annotations

from dataclasses import field
from decimal import Decimal
from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Usage
from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.domain.quotas.limits import QuotaFacts, QuotaStatus


class CacheOutcome(StrEnum):
    """How the cache was involved."""

    HIT = "hit"  # the owner's own copy
    SHARED = "shared"  # same bytes from another owner
    NEAR = "near"  # a near-duplicate of the owner's own picture
    JOINED = "joined"  # coalesced with an identical request in flight
    MISS = "miss"
    OFF = "off"


@frozen
class PictureFacts:
    """The public facts of a picture: in the JSON envelope, the HTTP answer and the ``X-Perkie-*`` headers.

    Only this class defines their names. Times are in seconds.
    """

    style: str
    image_hash: str
    cache: CacheOutcome
    cache_hit: bool
    engine: str
    model: str
    degraded: bool
    degradation_reason: str | None
    processing_time: float
    cost_usd: Decimal
    attempts: int
    tokens: int
    width: int
    height: int
    quota: QuotaFacts | None
    warnings: tuple[str, ...]


@frozen
class Generated:
    """One finished picture: the master as stored, and every fact an answer carries."""

    master: EncodedPicture
    hash: str
    style: str
    key: str | None  # the owner's storage key; None when nothing was stored
    cache: CacheOutcome
    engine: str
    model: str
    fingerprint: str  # of its recipe
    processing_time: float  # seconds
    usage: Usage = field(default_factory=Usage)
    degraded: bool = False
    degradation_reason: str | None = None
    warnings: tuple[str, ...] = ()
    quota: QuotaStatus | None = None  # the owner's remaining quota; None: unmetered

    @property
    def cache_hit(self) -> bool:
        """Whether this answer needed no drawing."""
        return self.cache in (CacheOutcome.HIT, CacheOutcome.SHARED, CacheOutcome.NEAR)

    def facts(self) -> PictureFacts:
        """The facts for every kind of answer."""
        return PictureFacts(
            style=self.style,
            image_hash=self.hash,
            cache=self.cache,
            cache_hit=self.cache_hit,
            engine=self.engine,
            model=self.model,
            degraded=self.degraded,
            degradation_reason=self.degradation_reason,
            processing_time=round(self.processing_time, 4),
            cost_usd=self.usage.cost_usd,
            attempts=self.usage.attempts,
            tokens=self.usage.input_tokens + self.usage.output_tokens,
            width=self.master.width,
            height=self.master.height,
            quota=None if self.quota is None else self.quota.facts(),
            warnings=self.warnings,
        )
