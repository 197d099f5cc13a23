"""The cost of one call, from the counts in its answer; with a picture at least the list price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perkie_cli.domain.money.price_list import ImageModel
from perkie_cli.domain.money.spend import Usage

_MOST = 2_000_000  # tokens; no call can use more, and a wrong count of the upstream must not use up the daily cap


def usage_of(counts: Mapping[str, Any], model: ImageModel, image_size: str, *, drawn: bool) -> Usage:
    """Tokens and dollars of one call, by ``usageMetadata``.

    A picture counts at least the tokens of the price list: some answers have no counts or count it as text, and a
    budget must hold anyway. Thinking is billed as text.
    """
    taken = _count(counts.get("promptTokenCount")) or (model.input_tokens if drawn else 0)
    candidates = _count(counts.get("candidatesTokenCount"))
    details = counts.get("candidatesTokensDetails")
    image = candidates if drawn and details is None else _of_images(details)
    image = max(image, model.image_tokens[image_size] if drawn else 0)
    text = max(0, candidates - image) + _count(counts.get("thoughtsTokenCount"))
    return Usage(1, taken, image + text, model.cost(taken, image, text))


def _of_images(details: object) -> int:
    rows = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    return _count(sum(_count(row.get("tokenCount")) for row in rows if row.get("modality") == "IMAGE"))


def _count(value: object) -> int:
    """A count, which may be a string; 0 if it is not valid."""
    text = str(value)
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    return count if count <= _MOST else 0
