"""How one job of a batch ended. A module of its own: the command line imports the rest late."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How one job ended."""

    DONE = "done"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"  # --dry-run
