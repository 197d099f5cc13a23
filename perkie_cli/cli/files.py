"""Reading inputs and writing outputs whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.units import format_size


def read_input(path: Path, max_bytes: int) -> bytes:
    """The file's bytes.

    Raises: UnreadableFile, TooManyBytes.
    """
    from perkie_cli.domain.errors import TooManyBytes

    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UnreadableFile(f"{path} is a directory", hint="Give --out-dir with a folder of pictures.")
        if size == 0 and path.is_file():
            raise UnreadableFile(f"{path} is empty")
        if size > max_bytes:
            raise TooManyBytes(f"{path} has {format_size(size)}; at most {format_size(max_bytes)} are taken")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableFile(f"{path} does not exist") from error
    except PermissionError as error:
        raise UnreadableFile(f"{path} may not be read (permission denied)") from error
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file. Makes parent folders.

    Raises: UnreadableFile when the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)  # noqa: PTH105  # one call, atomic on every platform
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be written: {error.strerror}") from error
