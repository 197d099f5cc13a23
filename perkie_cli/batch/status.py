"""How one job of a batch ended; apart from the rest, which the command line imports late."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How one job ended."""

    DONE = "done"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"  # --dry-run
