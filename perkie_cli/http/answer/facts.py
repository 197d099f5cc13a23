"""Facts of the domain as fields of JSON and as headers: their names come from the domain's own lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.quotas.limits import QuotaFacts

_PREFIX = "X-Perkie-"


def as_fields(facts: Any) -> dict[str, Any]:
    """The values of a dataclass by name; those of one inside it as well."""
    return {
        each.name: as_fields(value) if is_dataclass(value := getattr(facts, each.name)) else value
        for each in fields(facts)
    }


def as_headers(facts: PictureFacts | CutoutFacts) -> dict[str, str]:
    """``X-Perkie-Image-Hash`` and so on; what is empty is left out."""
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
    """Every header that facts may come in."""
    names = {each.name for kind in (PictureFacts, CutoutFacts) for each in fields(kind)} - {"quota"}
    return sorted(map(_header, names | {f"quota_{each.name}" for each in fields(QuotaFacts)}))
