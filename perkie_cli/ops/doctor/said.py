"""What a check says."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.secret import masked


class Level(StrEnum):
    """In order of urgency. ``skipped`` is not ``ok``: nobody looked."""

    ERROR = "error"
    WARNING = "warning"
    OK = "ok"
    SKIPPED = "skipped"


@frozen
class Said:
    """One sentence of a check; ``fix`` is what mends it, as a command where there is one. Both without secrets."""

    level: Level
    message: str
    fix: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", masked(self.message))
        object.__setattr__(self, "fix", masked(self.fix) if self.fix else None)

    @property
    def is_finding(self) -> bool:
        """Whether somebody has to do something."""
        return self.level in (Level.ERROR, Level.WARNING)


def error(message: str, fix: str) -> Said:
    """Pictures fail, or will."""
    return Said(Level.ERROR, message, fix)


def warning(message: str, fix: str) -> Said:
    """It works, but should not stay so."""
    return Said(Level.WARNING, message, fix)


def ok(message: str) -> Said:
    """Nothing to do."""
    return Said(Level.OK, message)


def skipped(message: str) -> Said:
    """Why nobody looked."""
    return Said(Level.SKIPPED, message)


def failed(problem: PerkieError, fix: str | None = None) -> Said:
    """An error of perkie's own; its hint says what to do."""
    return Said(Level.ERROR, problem.message, fix or problem.hint)
