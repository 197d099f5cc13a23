"""The request and the result of one generation: the same values behind the CLI and HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from perkie_cli.domain.money.spend import Budget, Usage
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.picture import DEFAULT_SIZE, EncodedPicture
from perkie_cli.domain.quotas.limits import Charge, QuotaStatus


class CacheUse(StrEnum):
    """What the cache may do for a request."""

    NORMAL = "normal"
    REFRESH = "refresh"  # do not read, but write
    OFF = "off"  # neither read nor write


class Fallback(StrEnum):
    """Steps of the degradation ladder that a request allows."""

    CACHE = "cache"  # an older recipe or model of the same picture
    LOCAL = "local"  # the local engine's rendering of the customer's own pet


class CacheOutcome(StrEnum):
    """How the cache took part."""

    HIT = "hit"  # the owner's own copy
    SHARED = "shared"  # same bytes from another owner
    NEAR = "near"  # a near-duplicate of the owner's own picture
    JOINED = "joined"  # coalesced with an identical request in flight
    MISS = "miss"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One picture, one style. ``image`` is the upload as it came; ``size`` the long side in px.

    ``engine`` is ``auto``, ``gemini`` or ``local``; ``deadline`` seconds in all, None for the engine's usual time;
    ``budget`` is what the run that this request is part of may spend; ``cover_setup``: the ladder also covers
    for credentials that are missing or refused, and for a configured model that has retired, which a customer cannot
    help, but an engineer should be told of.
    """

    image: bytes
    style: str
    owner: Owner = ANONYMOUS
    engine: str = "auto"
    model: str | None = None
    size: int = DEFAULT_SIZE
    remove_background: bool = False
    cache: CacheUse = CacheUse.NORMAL
    fallback: frozenset[Fallback] = frozenset(Fallback)
    cover_setup: bool = True
    deadline: float | None = None
    budget: Budget | None = None
    source: str = "image"  # how messages name the input: a path, a field
    hash: str | None = None  # of the upload, where that is known or ``image`` is its stored copy
    charge: Charge | None = None  # the quota counters that it touches; None: unmetered


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
    recipe: str
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
