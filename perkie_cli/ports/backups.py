"""Copies of the local state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from perkie_cli.domain.frozen import frozen


@frozen
class CopiedFile:
    """A file of a backup. ``rows``: how many by table; lines, for the audit records."""

    name: str
    rows: Mapping[str, int]
    size: int
    sha256: str


@frozen
class Backup:
    """A folder with copies of the state files, all of about the same moment."""

    path: Path
    made: datetime
    version: str  # of the perkie that made it
    files: Sequence[CopiedFile]


class Backups(Protocol):
    """Makes, checks and restores copies of the local state while it is in use.

    Every method raises UnreadableFile, UnwritableFile, DiskFull, StoreUnavailable and its family.
    """

    @property
    def names(self) -> frozenset[str]:
        """The state files that this perkie has; a backup by another version may hold more."""

    async def create(self, folder: Path) -> Backup:
        """Copies the state files that exist into a new folder below ``folder``: all of it appears, or nothing."""

    async def check(self, path: Path) -> Backup:
        """Reads all of a backup and compares it with what was written down. Raises: CorruptStore."""

    async def restore(self, path: Path, names: frozenset[str]) -> Backup:
        """Replaces the files in ``names``, some of its own, by their copies, also under running servers; returns a
        backup of what was there before.
        """

    async def remove_all_but(self, folder: Path, kept: int) -> Sequence[Path]:
        """Removes the oldest backups below ``folder`` and returns their paths. Nothing else there is touched."""
