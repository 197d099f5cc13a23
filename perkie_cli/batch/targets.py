"""Where outputs go, and whether an existing file there is ours.

A target never overwrites another input's output: inputs that would share a target (``a.jpg``, ``a.png``) get their
extension into the name (``a-jpg_…``, ``a-png_…``), and a number if that is not enough (``x/a.jpg``, ``y/a.jpg``). A
record of outputs distinguishes fresh ones (skipped) and stale ones (replaced) from files that perkie did not make
(refused without ``--force``).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path

from perkie_cli.batch.files import STDIO, located, write_atomically
from perkie_cli.batch.inputs import InputFile, holds
from perkie_cli.domain.errors import OutputExists, StoreUnavailable, UnwritableFile, unwritable
from perkie_cli.ports import MadeOutput, OutputStore


def plan_targets(
    files: Sequence[InputFile], tails: Sequence[str], output: Path | None, out_dir: Path | None
) -> list[list[Path]]:
    """One target per file and tail (``_ink_wash.jpg``), in order."""
    if output is not None:
        return [[output]]
    if out_dir is None and [file.path for file in files] == [STDIO]:
        return [[STDIO]]
    crowd = Counter(_folded(_place(file, out_dir) / file.path.stem) for file in files)
    rows: list[list[Path]] = []
    taken: set[str] = set()
    for file in files:
        folder, stem, ending = _place(file, out_dir), _stem(file), file.path.suffix.lstrip(".")
        if ending and crowd[_folded(folder / stem)] > 1:
            stem = f"{stem}-{ending}"
        row = next(row for row in _numbered(folder, stem, tails) if taken.isdisjoint(map(_folded, row)))
        taken.update(map(_folded, row))
        rows.append(row)
    return rows


def _stem(file: InputFile) -> str:
    return "stdin" if file.path == STDIO else file.path.stem


def _numbered(folder: Path, stem: str, tails: Sequence[str]) -> Iterator[list[Path]]:
    """Yields the stem's targets, then those of ``stem-2``, ``stem-3``, …"""
    yield [folder / f"{stem}{tail}" for tail in tails]
    for number in count(2):
        yield [folder / f"{stem}-{number}{tail}" for tail in tails]


def _folded(path: Path) -> str:
    """A form that is equal for paths that some file systems treat as the same."""
    return str(located(path)).casefold()


def _place(file: InputFile, out_dir: Path | None) -> Path:
    return file.path.parent if out_dir is None else out_dir / file.folder


class OutputState(StrEnum):
    """What is at a target."""

    ABSENT = "absent"
    FRESH = "fresh"  # our output from the same input with the same options, unchanged since
    STALE = "stale"  # our output, but the input or the options changed, or it was a substitute
    FOREIGN = "foreign"  # not ours, edited since, or made from another input


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One output to record. ``final`` is false for degraded ones, which are made again."""

    target: Path
    source: Path
    source_sha256: str
    options: str
    final: bool = True


class OutputRecord:
    """Records which files perkie made, from which input and how. Safe for several processes."""

    def __init__(self, store: OutputStore) -> None:
        self._store = store

    def state(self, target: Path, source: Path, options: str) -> OutputState:
        """The state of the file at ``target``, if it were made from ``source`` with ``options``."""
        if not target.exists():
            return OutputState.ABSENT
        made = self._store.find(_name(target))
        if made is None or made.input != _name(source) or not _unchanged(target, made.stat, made.sha256):
            return OutputState.FOREIGN
        same = made.options == options and made.final and _unchanged(source, made.input_stat, made.input_sha256)
        return OutputState.FRESH if same else OutputState.STALE

    def check(self, target: Path, source: Path, options: str, *, force: bool) -> OutputState:
        """``state``, but a file that must not be replaced is an error. ``force`` allows replacing foreign files.

        Raises: OutputExists, UnwritableFile.
        """
        check_place(target, source)
        try:
            found = self.state(target, source, options)
        except StoreUnavailable as error:
            found, unknown = OutputState.FOREIGN, f"; {error.message}"
        else:
            unknown = f" and was not made by perkie from {source.name}"
        if found is OutputState.FOREIGN and not force:
            raise OutputExists(
                f"{target} exists{unknown}", hint="Use --force to replace it, or -o / --out-dir for another place."
            )
        return OutputState.STALE if force else found

    def write(self, made: OutputFile, data: bytes) -> list[str]:
        """Writes an output and records it. A failure to record is only a warning, since the output exists.

        Raises: UnwritableFile, DiskFull.
        """
        write_atomically(made.target, data)
        try:
            self._store.put(
                MadeOutput(
                    _name(made.target),
                    _stat(made.target),
                    hashlib.sha256(data).hexdigest(),
                    _name(made.source),
                    _stat_as_read(made),
                    made.source_sha256,
                    made.options,
                    made.final,
                )
            )
        except StoreUnavailable as error:
            return [error.message]
        return []

    def below(self, folder: Path) -> list[Path]:
        """Outputs recorded in or below ``folder``; none if the record cannot be read, which ``write`` will report."""
        with suppress(StoreUnavailable):
            found = self._store.below(os.fsencode(os.path.realpath(folder)) + b"/")
            return [Path(os.fsdecode(path)) for path in found]
        return []

    def below_folders(self, words: Sequence[str]) -> list[Path]:
        """Outputs recorded below those arguments that are folders."""
        return [path for word in words if holds(Path(word).is_dir) for path in self.below(Path(word))]


def check_place(target: Path, source: Path) -> None:
    """Checks that an output can be written there, so that nobody pays for a picture that cannot.

    Raises: OutputExists, UnwritableFile, UsageError.
    """
    try:
        if target.is_dir() or (target.exists() and not target.is_file()):
            kind = "a directory" if target.is_dir() else "not a regular file"
            raise OutputExists(f"{target} is {kind}", hint="Name a file with -o, or a folder with --out-dir.")
        if holds(lambda: target.samefile(source)):
            raise OutputExists(f"{target} is the input itself", hint="Name another file with -o.")
        folder = next(place for place in target.absolute().parents if place.exists())
        if not folder.is_dir():
            raise UnwritableFile(f"{target} cannot be written: {folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UnwritableFile(f"{target} cannot be written: {folder} is not writable (permission denied)")
    except OSError as error:
        raise unwritable(str(target), error) from error


def _name(path: Path) -> bytes:
    """The path as bytes: a file name need not be valid text."""
    return os.fsencode(located(path))


def _stat(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_size}:{facts.st_mtime_ns}"


def _stat_as_read(made: OutputFile) -> str:
    """The input's ``stat``; empty if the file was changed or removed after it was read."""
    with suppress(OSError):
        stat = _stat(made.source)
        if hashlib.sha256(made.source.read_bytes()).hexdigest() == made.source_sha256:
            return stat
    return ""


def _unchanged(path: Path, stat: str, sha256: str) -> bool:
    """Compares size and time first, then the content (for a copy or a checkout)."""
    try:
        return _stat(path) == stat or hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False
