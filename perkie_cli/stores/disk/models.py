"""Model files in folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perkie_cli.domain.errors import MissingWeights, unwritable


class DiskModels:
    """``ports.ModelStore`` over folders. The first one is ours; those of other programs are only read."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    @property
    def folder(self) -> Path:
        """The first folder: new files are put there."""
        return self._folders[0]

    def find(self, name: str) -> Path | None:
        """The file in the first folder that has it, or None."""
        return next((folder / name for folder in self._folders if (folder / name).is_file()), None)

    def size(self, path: Path) -> int:
        """The file's size in bytes."""
        return path.stat().st_size

    def edition(self, path: Path) -> str:
        """Its size and when it was written: a network that was trained on has as many bytes as before."""
        seen = path.stat()
        return f"{seen.st_size}-{seen.st_mtime_ns}"

    def md5(self, path: Path) -> str:
        """MD5, because the release publishes it: it detects damage; TLS protects against attackers."""
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise MissingWeights(f"{path} cannot be read: {error.strerror}") from error

    def unfinished(self, name: str) -> Path:
        """The file's path plus ``.part``."""
        return self.folder / f"{name}.part"

    def is_begun(self, name: str) -> bool:
        """Whether a partial download exists."""
        return self.unfinished(name).exists()

    def finish(self, name: str) -> Path:
        """Renames the complete download to its final name."""
        target = self.folder / name
        with _writable(target):
            return self.unfinished(name).replace(target)

    def discard(self, name: str) -> None:
        """Removes the partial download."""
        part = self.unfinished(name)
        with _writable(part):
            part.unlink(missing_ok=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(str(path), error) from error
