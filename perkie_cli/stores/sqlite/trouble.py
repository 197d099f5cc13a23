"""What is wrong with an SQLite file, in words that name the true cause.

SQLite says "disk I/O error" for a full disk, since its shared-memory file cannot grow, and "unable to open database
file" for three different things (https://sqlite.org/rescode.html). The file system tells them apart.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from perkie_cli.domain.errors import CorruptStore, StoreBroken, StoreFull, StoreUnavailable
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_size

_ROOM = "Free some space on the disk of {folder}; `perkie doctor --only disk.space` says what has most of it."
_LITTLE = 256 * 1024  # bytes; with less room SQLite cannot make its write-ahead and shared-memory files


class Cause(StrEnum):
    """Why a file cannot be used."""

    LOCKED = "locked"
    FULL = "full"
    READ_ONLY = "read-only"
    DENIED = "denied"
    CORRUPT = "corrupt"
    OTHER = "other"


UNWRITABLE = frozenset({Cause.FULL, Cause.READ_ONLY, Cause.DENIED})


@frozen
class StoreFile:
    """An SQLite file as messages name it. ``repair``: the command that moves a corrupt one aside."""

    path: Path
    title: str
    repair: str


_CODES: Mapping[int, Cause] = {
    sqlite3.SQLITE_BUSY: Cause.LOCKED,
    sqlite3.SQLITE_LOCKED: Cause.LOCKED,
    sqlite3.SQLITE_PROTOCOL: Cause.LOCKED,
    sqlite3.SQLITE_FULL: Cause.FULL,
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
    sqlite3.SQLITE_PERM: Cause.DENIED,
    sqlite3.SQLITE_CORRUPT: Cause.CORRUPT,
    sqlite3.SQLITE_NOTADB: Cause.CORRUPT,
}
_ERRNOS: Mapping[int, Cause] = {
    errno.ENOSPC: Cause.FULL,
    errno.EDQUOT: Cause.FULL,
    errno.EROFS: Cause.READ_ONLY,
    errno.EACCES: Cause.DENIED,
    errno.EPERM: Cause.DENIED,
}


def cause_of(error: sqlite3.Error | OSError, path: Path) -> Cause:
    """The cause of an error with the file at ``path``."""
    if isinstance(error, OSError):
        return _ERRNOS.get(error.errno or 0, Cause.OTHER)
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "):
        return Cause.CORRUPT  # a table or column is missing: a database, but not this one
    cause = _CODES.get(code & 0xFF) if code is not None else None  # the lowest byte is the primary code
    if cause is None:
        return _seen(path) or Cause.OTHER
    if cause is Cause.READ_ONLY:  # of the disk, or of the file for this user
        return _seen(path) or Cause.DENIED
    return cause


def too_little_room(file: StoreFile, left: int, needed: int) -> StoreFull:
    """The error for a disk that has some bytes left, but fewer than may be needed."""
    short = f"the disk of {file.title} has {format_size(left)} left, and a picture may need {format_size(needed)}"
    return StoreFull(short, hint=_ROOM.format(folder=file.path.parent))


def _seen(path: Path) -> Cause | None:
    """What the file system shows of a file that SQLite could not open, write or map."""
    with suppress(OSError):
        disk = os.statvfs(next(folder for folder in path.absolute().parents if folder.exists()))
        if disk.f_flag & os.ST_RDONLY:
            return Cause.READ_ONLY
        if disk.f_bavail * disk.f_frsize < _LITTLE or (disk.f_files and not disk.f_favail):
            return Cause.FULL
    places = [place for place in (path.parent, path) if place.exists()]
    effective = os.access in os.supports_effective_ids
    if not all(os.access(place, os.R_OK | os.W_OK, effective_ids=effective) for place in places):
        return Cause.DENIED
    return None


@contextmanager
def explained(file: StoreFile) -> Iterator[None]:
    """Raises: StoreUnavailable with the true cause, in place of errors of SQLite and the file system."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise store_error(file, error) from error


def store_error(file: StoreFile, error: sqlite3.Error | OSError) -> StoreUnavailable:
    """The error for a file that cannot be used; only a locked one is worth another try."""
    title, path, folder = file.title, file.path, file.path.parent
    match cause_of(error, path):
        case Cause.LOCKED:
            hint = f"Try again. If it stays locked, find the process that holds {path}: fuser {path}"
            return StoreUnavailable(f"{title} is locked by another process", hint=hint)
        case Cause.FULL:
            return StoreFull(f"the disk of {title} is full", hint=_ROOM.format(folder=folder))
        case Cause.READ_ONLY:
            return StoreBroken(f"the disk of {title} is read-only", hint=f"Mount the disk of {folder} for writing.")
        case Cause.DENIED:
            hint = f"Check owner and permissions of {path} and its folder."
            return StoreBroken(f"{title} cannot be used: permission denied", hint=hint)
        case Cause.CORRUPT:
            hint = f"`{file.repair}` moves {path} aside and says what is lost."
            return CorruptStore(f"{title} is corrupt ({error})", hint=hint)
    reason = error.strerror if isinstance(error, OSError) else error
    return StoreBroken(f"{title} cannot be used: {reason}", hint=f"Check {path} and its disk.")
