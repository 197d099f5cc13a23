"""Model files in folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perkie_cli.domain.errors import MissingWeights, unwritable

_PIECES, _PIECE = 64, 64 * 1024  # of a file that is sampled: how many, and bytes of each


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
        with _readable(path):
            seen = path.stat()
        return f"{seen.st_size}-{seen.st_mtime_ns}"

    def sample(self, path: Path) -> str:
        """The size, and a hash of pieces all over the file: training changes every weight."""
        seen = hashlib.sha256()
        with _readable(path), path.open("rb") as file:
            size = self.size(path)
            for place in range(0, size, max(_PIECE, size // _PIECES)):
                file.seek(place)
                seen.update(file.read(_PIECE))
        return f"{size}-{seen.hexdigest()[:32]}"

    def md5(self, path: Path) -> str:
        """MD5, because the release publishes it: it detects damage; TLS protects against attackers."""
        with _readable(path), path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

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
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MissingWeights(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(str(path), error) from error
