"""Model files, and photos to evaluate a model with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from perkie_cli.domain.frozen import frozen


class ModelStore(Protocol):
    """Storage of model files. Files are identified by name; several folders may hold one. Every method may block."""

    @property
    def folder(self) -> Path:
        """The folder for new files."""

    def find(self, name: str) -> Path | None:
        """The path of the file, or None."""

    def size(self, path: Path) -> int:
        """The size in bytes of a file returned by ``find``."""

    def edition(self, path: Path) -> str:
        """Text that changes whenever the file is written anew; does not read it."""

    def sample(self, path: Path) -> str:
        """Text that tells networks apart, and is the same for every copy of a file; reads pieces of it.

        Raises: MissingWeights when it cannot be read.
        """

    def md5(self, path: Path) -> str:
        """The MD5 in hex; reads the whole file. Raises: MissingWeights when it cannot be read."""

    def unfinished(self, name: str) -> Path:
        """The path of the partial download of a file."""

    def is_begun(self, name: str) -> bool:
        """Whether a partial download exists."""

    def finish(self, name: str) -> Path:
        """Moves the complete download to its final place. Raises: UnwritableFile, DiskFull."""

    def discard(self, name: str) -> None:
        """Removes the partial download. Raises: UnwritableFile, DiskFull."""


@frozen
class Pair:
    """A photo and its true matte: grey, or the alpha of a cut-out."""

    photo: Path
    matte: Path


class PairStore(Protocol):
    """Photos with their true mattes. Every method may block."""

    def pairs(self, folder: Path) -> Sequence[Pair]:
        """All pairs of a folder. Raises: UnreadableFile when there are none, or a photo has no matte."""

    def read(self, path: Path) -> bytes:
        """The bytes of one file of a pair. Raises: UnreadableFile."""
