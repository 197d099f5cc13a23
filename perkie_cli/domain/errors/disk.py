"""Disks and files of this machine that no retry mends: somebody has to act."""

from __future__ import annotations

import errno

from perkie_cli.domain.errors.base import ACT, PerkieError
from perkie_cli.domain.errors.given import UnwritableFile
from perkie_cli.domain.errors.unavailable import StoreUnavailable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskFull(PerkieError):
    """The disk that an output goes to is full."""

    hidden, ends_run, exit_code, http_status = True, True, ACT, 500
    usual_hint = "Free some space there, or name another place."


class StoreBroken(StoreUnavailable):
    """A store's disk is read-only, or its file may not be used."""

    ends_run, exit_code, retryable = True, ACT, False


class StoreFull(StoreBroken):
    """A store's disk is full."""


class CorruptStore(StoreBroken):
    """A store's file is damaged, or is no store at all."""


def unwritable(what: str, error: OSError, hint: str | None = None) -> DiskFull | UnwritableFile:
    """The error for an output that cannot be written: a full disk is not the caller's mistake."""
    kind = DiskFull if error.errno in FULL else UnwritableFile
    return kind(f"{what} cannot be written: {error.strerror or error}", hint=hint)
