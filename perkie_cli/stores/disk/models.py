"""Model files in folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perkie_cli.domain.errors import MissingWeights, UnwritableFile


class DiskModels:
    """``ports.ModelStore``. The first folder is ours; further ones, of other programs, are only read."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    @property
    def folder(self) -> Path:
        """Ours."""
        return self._folders[0]

    def find(self, name: str) -> Path | None:
        """In the first folder that has it."""
        return next((folder / name for folder in self._folders if (folder / name).is_file()), None)

    def size(self, path: Path) -> int:
        """See the port."""
        return path.stat().st_size

    def md5(self, path: Path) -> str:
        """MD5, since it is what the release publishes: it guards against damage; against an attacker TLS does."""
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            raise MissingWeights(f"{path} cannot be read: {error.strerror}") from error

    def unfinished(self, name: str) -> Path:
        """Beside the file, with ``.part`` added."""
        return self.folder / f"{name}.part"

    def is_begun(self, name: str) -> bool:
        """See the port."""
        return self.unfinished(name).exists()

    def finish(self, name: str) -> Path:
        """See the port."""
        target = self.folder / name
        with _writable(target):
            return self.unfinished(name).replace(target)

    def discard(self, name: str) -> None:
        """See the port."""
        part = self.unfinished(name)
        with _writable(part):
            part.unlink(missing_ok=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableFile(f"{path} cannot be written: {error.strerror}") from error
