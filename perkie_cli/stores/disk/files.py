"""The files of the disk store: private, written to a temporary file and renamed into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.pictures.cache_key import check_key
from perkie_cli.system.private import private_folder


class DiskFiles:
    """Bytes under ``root/objects/KEY``; errors are OSErrors."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._temp = root / "tmp"

    def prepare(self) -> None:
        """Creates the folders."""
        for folder in (self._objects, self._temp):
            private_folder(folder)

    def read(self, key: str) -> bytes | None:
        """The bytes, or None if there is no file."""
        try:
            file = os.open(self._path(key), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:  # 4 system calls, `read_bytes` makes 9: after each a worker must wait for the GIL
            return os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)

    def exists(self, key: str) -> bool:
        """Whether there is a file."""
        return self._path(key).is_file()

    def modified(self, key: str) -> datetime:
        """The file's modification time."""
        return datetime.fromtimestamp(self._path(key).stat().st_mtime, UTC)

    def write_aside(self, data: bytes) -> Path:
        """Writes a temporary file of mode 0600, to be passed to ``place`` or removed."""
        descriptor, name = tempfile.mkstemp(dir=self._temp)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def place(self, written: Path, key: str) -> None:
        """Moves the file to its key atomically; an existing file is replaced."""
        path = self._path(key)
        private_folder(path.parent)
        written.replace(path)

    def remove(self, key: str) -> bool:
        """Removes the file; True when it existed. Empty folders are removed too: an owner's folder carries its id."""
        path = self._path(key)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        with suppress(OSError):  # stops at the first folder that is not empty
            for folder in path.relative_to(self._objects).parents[:-1]:
                (self._objects / folder).rmdir()
        return True

    def walk(self, prefix: str) -> Iterator[str]:
        """Keys of all files under the prefix, unordered; foreign files are skipped."""
        folders = [self._objects / prefix.rpartition("/")[0]]
        while folders:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif (key := self._key(entry.path)) is not None and key.startswith(prefix):
                        yield key

    def leftovers(self, before: datetime) -> Iterator[tuple[Path, int]]:
        """Temporary files older than that time, with their sizes: their writer is gone."""
        with suppress(FileNotFoundError), os.scandir(self._temp) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if facts.st_mtime < before.timestamp():
                        yield Path(entry.path), facts.st_size

    def _path(self, key: str) -> Path:
        return self._objects / key

    def _key(self, path: str) -> str | None:
        with suppress(InvalidParameter):
            return check_key(Path(path).relative_to(self._objects).as_posix())
        return None
