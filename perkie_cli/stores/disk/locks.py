"""Locks between the processes of one machine, by name: files in a folder, locked with ``flock``.

The system drops a lock when its holder ends, however it ends: a killed process never blocks another.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from perkie_cli.ports import Clock
from perkie_cli.system.private import private_folder

POLL = 0.1  # seconds between two tries; a waiting flock() could not be cancelled


class FileLocks:
    """``ports.Locks`` over a folder of empty files, which exist only while their lock is held."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Waits for the lock, then holds it. A folder that cannot be written locks nothing: work is not refused."""
        path = self._path(name)
        try:
            while (handle := self._taken(path)) is None:
                await self._clock.sleep(POLL)
        except OSError:
            yield
            return
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before the lock is dropped: nobody else may lock this file again
            os.close(handle)

    def is_held(self, name: str) -> bool:
        """Whether somebody holds it now, this process included."""
        try:
            handle = os.open(self._path(name), os.O_RDWR)
        except OSError:
            return False
        try:
            return not _locked(handle)
        finally:
            os.close(handle)

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"

    def _taken(self, path: Path) -> int | None:
        """The locked file's handle; None while another holds it. Raises: OSError."""
        private_folder(self._folder)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        if _locked(handle) and _is_still(path, handle):
            return handle
        os.close(handle)
        return None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Whether the path still leads to the locked file: its last holder may have removed it meanwhile."""
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
