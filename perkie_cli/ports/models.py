"""Model files, and photos to measure a model with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ModelStore(Protocol):
    """Where model files lie. A file is named by its name alone; several folders may hold it. Every method may block."""

    @property
    def folder(self) -> Path:
        """Where new files are put."""

    def find(self, name: str) -> Path | None:
        """The file, or None."""

    def size(self, path: Path) -> int:
        """Bytes of a file that was found."""

    def md5(self, path: Path) -> str:
        """In hex; reads the whole file. Raises: MissingWeights when it cannot be read."""

    def unfinished(self, name: str) -> Path:
        """Where the file is downloaded to; what lies there is the beginning of it."""

    def is_begun(self, name: str) -> bool:
        """Whether something lies there."""

    def finish(self, name: str) -> Path:
        """Puts what was downloaded in its place. Raises: UnwritableFile."""

    def discard(self, name: str) -> None:
        """Removes what was downloaded. Raises: UnwritableFile."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo and its true matte: grey, or the alpha of a cut-out."""

    photo: Path
    matte: Path


class PairStore(Protocol):
    """Photos whose true mattes are known. Every method may block."""

    def pairs(self, folder: Path) -> Sequence[Pair]:
        """All of a folder. Raises: UnreadableFile when there are none, or a photo lacks its matte."""

    def read(self, path: Path) -> bytes:
        """One of their files. Raises: UnreadableFile."""
