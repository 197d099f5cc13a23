"""The rows of ``perkie cache`` and ``perkie lifecycle``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from perkie_cli.domain.frozen import frozen


@frozen
class AreaRow:
    """The content of one area of the cache, and the last use of its oldest object."""

    area: str
    count: int
    bytes: int
    oldest: datetime | None


@frozen
class ObjectRow:
    """One stored object."""

    key: str
    size: int
    content_type: str
    sha256: str
    created: datetime
    touched: datetime
    generation: int
    metadata: Mapping[str, str]
    fault: str | None


@frozen
class FetchedRow(ObjectRow):
    """A stored object, and the file that it was copied to."""

    output: Path


@frozen
class GoneRow:
    """An object that came back, or can: gone since when, and how long soft delete keeps it."""

    key: str
    size: int
    gone: datetime
    until: datetime | None


@frozen
class FindingRow:
    """One problem in the cache."""

    key: str
    kind: str
    size: int
    remedy: str
    detail: str | None


@frozen
class RuleRow:
    """A lifecycle rule as Cloud Storage's JSON API writes it."""

    action: Mapping[str, Any]
    condition: Mapping[str, Any]


@frozen
class RuleChangeRow:
    """A rule that is removed or added."""

    change: Literal["remove", "add"]
    rule: Mapping[str, Any]
