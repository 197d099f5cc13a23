"""A full disk that is not the real one: a small file system where root can mount one, else a limit on file sizes."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BLOCK = b"\0" * 65536
LIMIT = 4096  # bytes a file may have where there is no file system of our own


@dataclass
class Disk:
    """The file system of the server's files. ``mounted``: it is one of our own."""

    folder: Path
    mounted: bool

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, pid: int) -> str:
        """Makes writing fail; tells how."""
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LIMIT, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))
            return f"files are limited to {LIMIT} bytes, since only root can mount a small disk: EFBIG, not ENOSPC"
        try:
            with self._filler.open("ab", buffering=0) as file:
                while True:
                    file.write(_BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        return "the small disk of the server is full: ENOSPC"

    def free(self, pid: int) -> None:
        """Makes writing work again."""
        if self.mounted:
            self._filler.unlink(missing_ok=True)
        else:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of ``size`` bytes in ``folder`` for the block, where that can be had."""
    folder.mkdir(parents=True)
    if not _mount(folder, size):
        yield Disk(folder, mounted=False)
        return
    try:
        yield Disk(folder, mounted=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


def _mount(folder: Path, size: int) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    options = f"size={size},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "perkie-chaos", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
