"""Content negotiation (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from perkie_cli.domain.picture import ImageFormat
from perkie_cli.http.answer.problems import NotAcceptable

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
IMAGES = tuple(kind.media_type for kind in (ImageFormat.JPEG, ImageFormat.PNG, ImageFormat.WEBP))
_MOST_RANGES = 50


def negotiate(accept: str | None, offers: Sequence[str]) -> str:
    """The offer that the caller prefers; earlier offers win ties, and without a header the first one is used.

    Raises: NotAcceptable when every offer is ruled out.
    """
    if not accept or not accept.strip():
        return offers[0]
    ranges = [_parse(each) for each in accept.split(",")[:_MOST_RANGES]]
    weights = [_weight(offer, ranges) for offer in offers]
    best = max(weights)
    if best <= 0:
        raise NotAcceptable("none of the accepted media types is available", hint=f"Accept: {', '.join(offers)}")
    return offers[weights.index(best)]


def image_format(media_type: str) -> ImageFormat:
    """The format of one of ``IMAGES``."""
    return next(kind for kind in ImageFormat if kind.media_type == media_type)


def _parse(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in text.lower().split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(1.0, max(0.0, float(value)))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _weight(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The weight from the most specific matching range; ``image/*`` is less specific than ``image/png``."""
    for candidate in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for name, quality in ranges:
            if name == candidate:
                return quality
    return 0.0
