"""Naming files, reading inputs, and writing outputs whole or not at all."""

from __future__ import annotations

import functools
import os
import secrets
import stat
from pathlib import Path

from perkie_cli.domain.errors import TooManyBytes, UnreadableFile, UnwritableFile
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.units import format_size
from perkie_cli.imaging import codec


def located(path: Path) -> Path:
    """One name for a file however it was typed: absolute, its folder without links and ``..``; its own link stays."""
    return Path(_located_folder(path.parent.absolute()), path.name)


@functools.cache  # the files of a batch share theirs
def _located_folder(folder: Path) -> str:
    return os.path.realpath(folder)


def read_input(path: Path, max_bytes: int) -> bytes:
    """The file's bytes.

    Raises: UnreadableFile, TooManyBytes.
    """
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise UnreadableFile(f"{path} is a folder without pictures that can be read")
        if not stat.S_ISREG(facts.st_mode):  # a pipe may never end, a device neither
            raise UnreadableFile(f"{path} is not a regular file")
        if facts.st_size == 0:
            raise UnreadableFile(f"{path} is empty")
        if facts.st_size > max_bytes:
            size, most = format_size(facts.st_size), format_size(max_bytes)
            raise TooManyBytes(f"{path} has {size}; at most {most} are accepted", hint="Send a smaller copy.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableFile(f"{path} does not exist") from error
    except PermissionError as error:
        raise UnreadableFile(f"{path} may not be read (permission denied)") from error
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def read_photo(path: Path, limits: ImageLimits, name: str | None = None) -> Photo:
    """The file as a photo within ``limits``. For a worker thread.

    Raises: the BadInput family.
    """
    return codec.photo(read_input(path, limits.max_bytes), limits, name or str(path))


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file. Makes parent folders.

    Raises: UnwritableFile.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"  # short: the target's own name may be as long as names get
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)  # noqa: PTH105  # one call, atomic on every platform
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableFile(f"{path} cannot be written: {error.strerror}") from error
