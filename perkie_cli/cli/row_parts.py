"""What rows of the JSON envelope are made of."""

from __future__ import annotations

from dataclasses import dataclass

from perkie_cli.domain.errors import PerkieError

IF_ANY = {"if_any": True}  # a field that is left out when it is None
INSIDE = {"inside": True, **IF_ANY}  # a dataclass whose fields become fields of the row


@dataclass(frozen=True, slots=True)
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
