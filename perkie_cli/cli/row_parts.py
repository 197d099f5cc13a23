"""What rows of the JSON envelope are made of, and those that several commands share."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen

IF_ANY = {"if_any": True}  # a field that is left out when it is None
INSIDE = {"inside": True, **IF_ANY}  # a dataclass whose fields become fields of the row


@frozen
class ErrorRow:
    """Why something failed."""

    code: str
    message: str
    hint: str | None
    retryable: bool

    @classmethod
    def of(cls, error: PerkieError) -> ErrorRow:
        """The reported part of an error."""
        return cls(error.code, error.message, error.hint, error.retryable)


@frozen
class FailedRow:
    """An input that failed."""

    input: Path
    error: ErrorRow


@frozen
class FileRow:
    """A file that was written."""

    path: Path


@frozen
class CheckRow:
    """What a check found, and what mends it; ``skipped`` is not ``ok``: nobody looked."""

    check: str
    level: Literal["error", "warning", "ok", "skipped"]
    message: str
    fix: str | None


@frozen
class VersionRow:
    """The version."""

    version: str


def as_fields(row: Any) -> dict[str, Any]:
    """The row as it appears in the envelope."""
    found: dict[str, Any] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        if value is None and each.metadata.get("if_any"):
            continue
        found |= as_fields(value) if each.metadata.get("inside") else {each.name: value}
    return found
