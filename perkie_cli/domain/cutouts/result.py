"""One finished cut-out, and the facts about it that every answer carries."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import EncodedPicture
from perkie_cli.domain.pictures.result import CacheOutcome

LOW_CONFIDENCE = 0.5  # below this a result carries a warning, and fails when asked to be strict


@frozen
class Confidence:
    """How sure a network is of its subject: ``value`` 0..1; ``has_subject`` is False when nothing can be cut out."""

    value: float
    has_subject: bool
    notes: tuple[str, ...] = ()


@frozen
class CutoutFacts:
    """The public facts of a cut-out: in the JSON envelope, the HTTP answer and the ``X-Perkie-*`` headers."""

    image_hash: str
    cache: CacheOutcome
    cache_hit: bool
    engine: str
    model: str
    device: str
    degraded: bool
    degradation_reason: str | None
    confidence: float
    processing_time: float
    width: int
    height: int
    warnings: tuple[str, ...]


@frozen
class Cutout:
    """One finished cut-out and every fact an answer carries. ``confidence`` is 0..1, ``device`` the one used."""

    picture: EncodedPicture
    hash: str
    key: str | None  # of the stored cut-out, before background and framing; None when it was not stored
    cache: CacheOutcome
    engine: str
    model: str
    device: str
    fingerprint: str  # of its recipe
    confidence: float
    processing_time: float  # seconds
    degradation_reason: str | None = None  # the code of the error that led to the builtin engine
    warnings: tuple[str, ...] = ()

    @property
    def cache_hit(self) -> bool:
        """Whether no matte had to be made for this answer."""
        return self.cache in (CacheOutcome.HIT, CacheOutcome.SHARED)

    @property
    def degraded(self) -> bool:
        """Whether the builtin engine replaced one that failed."""
        return self.degradation_reason is not None

    def facts(self) -> CutoutFacts:
        """The facts for every kind of answer."""
        return CutoutFacts(
            image_hash=self.hash,
            cache=self.cache,
            cache_hit=self.cache_hit,
            engine=self.engine,
            model=self.model,
            device=self.device,
            degraded=self.degraded,
            degradation_reason=self.degradation_reason,
            confidence=round(self.confidence, 3),
            processing_time=round(self.processing_time, 4),
            width=self.picture.width,
            height=self.picture.height,
            warnings=self.warnings,
        )
