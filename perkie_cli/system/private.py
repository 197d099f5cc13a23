"""Folders and files that only their owner may use, whatever the umask is."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def private_folder(folder: Path) -> None:
    """Creates the folder, and those above it that are missing, with mode 0700. Raises: OSError."""
    if folder.is_dir():
        return
    private_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # another process was faster
        return
    folder.chmod(0o700)  # a strict umask would have taken rights from its owner


def open_private(path: Path, flags: int) -> int:
    """Opens the file with mode 0600, for its descriptor; never through a symbolic link.

    Raises: OSError.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
