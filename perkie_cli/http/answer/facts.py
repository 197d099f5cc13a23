"""Turns facts of the domain into JSON fields and headers; their names come from the domain's dataclasses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import quote

from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.quotas.limits import QuotaFacts

_PREFIX = "X-Perkie-"
_NAMES = {kind: [each.name for each in fields(kind)] for kind in (PictureFacts, CutoutFacts, QuotaFacts)}


def as_fields(facts: PictureFacts | CutoutFacts | QuotaFacts) -> dict[str, Any]:
    """The values by name, including those of a quota inside."""
    found = {name: getattr(facts, name) for name in _NAMES[type(facts)]}
    if isinstance(quota := found.get("quota"), QuotaFacts):
        found["quota"] = as_fields(quota)
    return found


def as_headers(facts: PictureFacts | CutoutFacts) -> dict[str, str]:
    """The facts as headers such as ``X-Perkie-Image-Hash``; empty ones are left out."""
    return dict(_headers(as_fields(facts)))


def _headers(values: dict[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _headers(value, f"{name}_")
        elif value not in (None, "", ()):
            yield _header(f"{within}{name}"), quote(_text(value), safe=" :;,./()+'-")


def _header(name: str) -> str:
    return _PREFIX + name.replace("_", "-").title()


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat()
        case tuple():
            return "; ".join(value)
    return str(value)


def header_names() -> list[str]:
    """Every header that can carry a fact."""
    names = {each.name for kind in (PictureFacts, CutoutFacts) for each in fields(kind)} - {"quota"}
    return sorted(map(_header, names | {f"quota_{each.name}" for each in fields(QuotaFacts)}))
