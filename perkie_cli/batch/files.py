"""Naming files, reading inputs, and writing outputs atomically."""

from __future__ import annotations

import functools
import os
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import BinaryIO

from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.domain.errors import TooManyBytes, UnreadableFile, UsageError, unwritable
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.units import format_size
from perkie_cli.system.private import private_folder

STDIO = Path("-")  # stdin as an input, stdout as an output


def located(path: PurePath) -> str:
    """A file's unique name: absolute, with links and ``..`` resolved in its folder but not in its last part.

    That of an object is its address.
    """
    if isinstance(path, ObjectPath):
        return str(path)
    return os.path.join(_located_folder(Path(path).parent.absolute()), path.name)  # noqa: PTH118  # of thousands of files


@functools.cache  # the files of a batch share folders
def _located_folder(folder: Path) -> str:
    return os.path.realpath(folder)


def holds(question: Callable[[], bool]) -> bool:
    """Whether the test holds. Also False if the file system refuses to answer; reading the file will report why."""
    with suppress(OSError):
        return question()
    return False


def read_input(path: Path, max_bytes: int, *, pipe: bool = False) -> bytes:
    """The file's bytes, or those of stdin; with ``pipe`` also those of a pipe, such as the shell's ``<(find …)``.

    Raises: UnreadableFile, TooManyBytes.
    """
    if path == STDIO:
        return _from_stdin(max_bytes)
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise UnreadableFile(f"{path} is a folder without readable pictures")
        if pipe and stat.S_ISFIFO(facts.st_mode):
            with path.open("rb") as file:
                return _bounded(file, str(path), max_bytes)
        if not stat.S_ISREG(facts.st_mode):  # pipes and devices may never end
            raise UnreadableFile(f"{path} is not a regular file")
        if facts.st_size == 0:
            raise UnreadableFile(f"{path} is empty")
        if facts.st_size > max_bytes:
            raise too_many_bytes(f"{path} has {format_size(facts.st_size)}", max_bytes)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableFile(f"{path} does not exist") from error
    except PermissionError as error:
        raise UnreadableFile(f"{path} cannot be read (permission denied)") from error
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def _from_stdin(max_bytes: int) -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("stdin is a terminal, not a picture", hint="Pipe one in: perkie … - < pet.jpg")
    return _bounded(sys.stdin.buffer, "stdin", max_bytes)


def _bounded(file: BinaryIO, name: str, max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if not data:
        raise UnreadableFile(f"{name} is empty")
    if len(data) > max_bytes:
        raise too_many_bytes(f"{name} has more", max_bytes)
    return data


def too_many_bytes(said: str, max_bytes: int) -> TooManyBytes:
    """The error for a photo over the limit."""
    return TooManyBytes(f"{said}; at most {format_size(max_bytes)} are accepted", hint="Send a smaller copy.")


def read_photo(path: Path, limits: ImageLimits, name: str | None = None) -> Photo:
    """The file as a photo within ``limits``. Blocks: call it in a worker thread.

    Raises: the BadInput family.
    """
    from perkie_cli.imaging import codec  # late: most commands only write files

    return codec.photo(read_input(path, limits.max_bytes), limits, name or ("stdin" if path == STDIO else str(path)))


def write_atomically(path: Path, data: bytes, mode: int = 0o666, *, new: bool = False) -> bool:
    """Writes a temporary file and renames it, so that readers never see half a file. Creates parent folders.

    ``mode`` is restricted by the umask. ``new``: a file that is there by now stays, and the result is False.

    Raises: UnwritableFile, DiskFull.
    """
    temporary = (
        path.parent / f".{secrets.token_hex(8)}.tmp"
    )  # short: the target's name may already have the maximum length
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            return _put(temporary, path, new)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(str(path), error) from error


def _put(temporary: Path, path: Path, new: bool) -> bool:
    if new:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            pass
        else:
            return True
    os.replace(temporary, path)  # noqa: PTH105  # one call, atomic on every platform
    return True


def write_private(path: Path, data: bytes) -> None:
    """``write_atomically`` for what only its user may read: mode 0600, new folders 0700.

    Raises: UnwritableFile, DiskFull.
    """
    try:
        private_folder(path.parent)
    except OSError as error:
        raise unwritable(str(path), error) from error
    write_atomically(path, data, mode=0o600)
