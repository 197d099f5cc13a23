"""One finished picture, and the facts about it that every answer carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from perkie_cli.domain.money.spend import Usage
from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.domain.quotas.limits import QuotaStatus


class CacheOutcome(StrEnum):
    """How the cache took part."""

    HIT = "hit"  # the owner's own copy
    SHARED = "shared"  # same bytes from another owner
    NEAR = "near"  # a near-duplicate of the owner's own picture
    JOINED = "joined"  # coalesced with an identical request in flight
    MISS = "miss"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Generated:
    """One finished picture: the master as stored, and every fact an answer carries."""

    master: EncodedPicture
    hash: str
    style: str
    key: str | None  # the owner's storage path; None when nothing was kept
    cache: CacheOutcome
    engine: str
    model: str
    fingerprint: str  # of its recipe
    processing_time: float  # seconds
    usage: Usage = field(default_factory=Usage)
    degraded: bool = False
    degradation_reason: str | None = None
    warnings: tuple[str, ...] = ()
    quota: QuotaStatus | None = None  # what the owner has left; None: unmetered

    @property
    def cache_hit(self) -> bool:
        """Whether nothing had to be drawn for this answer."""
        return self.cache in (CacheOutcome.HIT, CacheOutcome.SHARED, CacheOutcome.NEAR)

    def facts(self) -> dict[str, object]:
        """The fields that the JSON envelope and the HTTP answer share."""
        return {
            "style": self.style,
            "cache_hit": self.cache_hit,
            "cache": self.cache.value,
            "engine": self.engine,
            "model": self.model,
            "degraded": self.degraded,
            "degradation_reason": self.degradation_reason,
            "processing_time": round(self.processing_time, 3),
            "cost_usd": self.usage.cost_usd,
            "attempts": self.usage.attempts,
            "tokens": self.usage.input_tokens + self.usage.output_tokens,
            "quota": self.quota and self.quota.facts(),
            "hash": self.hash,
            "width": self.master.width,
            "height": self.master.height,
        }
