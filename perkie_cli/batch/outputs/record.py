"""Whether a file at a target is ours.

A record of outputs distinguishes fresh ones (skipped) and stale ones (replaced) from files that perkie did not make
(refused without ``--force``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path, PurePath

from perkie_cli.batch.files import holds, located, write_atomically
from perkie_cli.batch.mark import mark_of
from perkie_cli.batch.photos.sources import Source, stat_of
from perkie_cli.domain.errors import OutputExists, StoreUnavailable, UnwritableFile, unwritable
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import MadeOutput, OutputStore, Workers

_AT_ONCE = 500  # outputs looked up together


class OutputState(StrEnum):
    """What is at a target."""

    ABSENT = "absent"
    FRESH = "fresh"  # our output from the same input with the same options, unchanged since
    STALE = "stale"  # our output, but the input or the options changed, or it was a substitute
    UNRECORDED = "unrecorded"  # bears our mark, but nothing says what it was made from: the record was lost
    FOREIGN = "foreign"  # not ours, edited since, or made from another input


@frozen
class Origin:
    """What an output is made from: the source in that version, its content, and the tag of the options."""

    source: Source
    version: str
    sha256: str
    options: str


class OutputRecord:
    """Records which files perkie made, from which input and how. Safe for several processes."""

    def __init__(self, store: OutputStore) -> None:
        self._store = store

    def fresh(self, targets: Sequence[Path], sources: Sequence[Source], options: Sequence[str]) -> list[bool]:
        """Which targets are surely fresh, by size and time alone: no photo is read. One answer for each target."""
        fresh: list[bool] = []
        for start in range(0, len(targets), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            made = self._made(targets[part])
            fresh += [
                _surely_fresh(made.get(target), target, source, tag)
                for target, source, tag in zip(targets[part], sources[part], options[part], strict=True)
            ]
        return fresh

    def origins(self, targets: Sequence[Path]) -> dict[Path, bytes]:
        """The ``Source.key`` of those targets that are recorded and there."""
        return {path: made.input for path, made in self._made(targets).items() if holds(path.exists)}

    def _made(self, targets: Sequence[Path]) -> Mapping[Path, MadeOutput]:
        names = {_name(target): target for target in targets}
        with suppress(StoreUnavailable):  # ``write`` will report it
            return {names[made.path]: made for made in self._store.find_all(list(names))}
        return {}

    def state(self, target: Path, origin: Origin) -> OutputState:
        """The state of the file at ``target``, if it were made from ``origin``."""
        if not target.exists():
            return OutputState.ABSENT
        made = self._store.find(_name(target))
        if made is None and mark_of(target) is not None:
            return OutputState.UNRECORDED
        if made is None or made.input != origin.source.key or not _unchanged(target, made):
            return OutputState.FOREIGN
        same = made.options == origin.options and made.final and made.input_sha256 == origin.sha256
        return OutputState.FRESH if same else OutputState.STALE

    def check(self, target: Path, origin: Origin, *, force: bool) -> OutputState:
        """``state``, but a file that must not be replaced is an error. ``force`` allows replacing any file.

        Raises: OutputExists, UnwritableFile.
        """
        check_place(target, origin.source)
        try:
            found = self.state(target, origin)
        except StoreUnavailable as error:
            found, why = OutputState.FOREIGN, f"; {error.message}"
        else:
            why = f" and was not made by perkie from {origin.source.path.name}"
        if found is OutputState.FOREIGN and not force:
            raise in_the_way(target, why)
        return OutputState.STALE if force else found

    def write(self, target: Path, origin: Origin, data: bytes, *, final: bool = True, new: bool = False) -> list[str]:
        """Writes an output and records it. A failure to record is only a warning, since the output exists.

        ``final`` is false for degraded ones, which are made again. ``new``: nothing was there. Raises: UnwritableFile,
        OutputExists if there is another one by now.
        """
        if not write_atomically(target, data, new=new) and _bytes(target) != data:
            if self.state(target, origin) is OutputState.FRESH:  # another run has done our work
                return []
            raise in_the_way(target, ": somebody else wrote it meanwhile")
        source = origin.source
        as_read = origin.version if source.version() == origin.version else ""
        sha256 = hashlib.sha256(data).hexdigest()
        made = (_name(target), stat_of(target), sha256, source.key, as_read, origin.sha256, origin.options, final)
        try:
            self._store.put(MadeOutput(*made))
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


def in_the_way(target: PurePath, why: str) -> OutputExists:
    """The error for a file that must not be replaced."""
    hint = "--force replaces it, --skip-existing keeps it; -o and --out-dir name another place."
    return OutputExists(f"{target} exists{why}", hint=hint)


def check_place(target: Path, source: Source) -> None:
    """Checks that an output can be written there, so that nobody pays for a picture that cannot.

    Raises: OutputExists, UnwritableFile, UsageError.
    """
    try:
        if target.is_dir() or (target.exists() and not target.is_file()):
            kind = "a directory" if target.is_dir() else "not a regular file"
            raise OutputExists(f"{target} is {kind}", hint="Name a file with -o, or a folder with --out-dir.")
        if source.is_at(target):
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


def _surely_fresh(made: MadeOutput | None, target: Path, source: Source, options: str) -> bool:
    if made is None or not (made.final and made.options == options and made.input == source.key):
        return False
    try:
        return made.input_stat == source.version() != "" and made.stat == stat_of(target)
    except OSError:
        return False


def _unchanged(target: Path, made: MadeOutput) -> bool:
    """Compares size and time first, then the content (for a copy or a checkout)."""
    try:
        return stat_of(target) == made.stat or hashlib.sha256(target.read_bytes()).hexdigest() == made.sha256
    except OSError:
        return False


class Files:
    """Outputs as files of this machine: see ``Outputs``."""

    def __init__(self, record: OutputRecord, io: Workers) -> None:
        self._record = record
        self._io = io

    def origins(self, targets: Sequence[PurePath]) -> Mapping[PurePath, bytes]:
        """Those in the record."""
        return {path: key for path, key in self._record.origins([Path(each) for each in targets]).items()}  # noqa: C416

    async def fresh(self, targets: Sequence[PurePath], sources: Sequence[Source], options: Sequence[str]) -> list[bool]:
        """By the record, sizes and times."""
        return await self._io.run(self._record.fresh, [Path(each) for each in targets], sources, options)

    async def modified(self, targets: Sequence[PurePath]) -> list[float | None]:
        """By a look at each."""
        return await self._io.run(lambda: [_modified(Path(each)) for each in targets])

    async def check(self, target: PurePath, origin: Origin, *, force: bool) -> OutputState:
        """See ``OutputRecord.check``."""
        return await self._io.run(self._record.check, Path(target), origin, force=force)

    async def write(
        self, target: PurePath, origin: Origin, data: bytes, *, final: bool, new: bool = False
    ) -> list[str]:
        """See ``OutputRecord.write``."""
        return await self._io.run(self._record.write, Path(target), origin, data, final=final, new=new)

    async def read(self, target: PurePath) -> bytes | None:
        """The file's bytes; None if it cannot be read."""
        return await self._io.run(_bytes, Path(target))

    async def write_sheet(self, target: PurePath, data: bytes) -> None:
        """Recognises our own by their mark."""
        await self._io.run(_write_sheet, Path(target), data)


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write_sheet(path: Path, data: bytes) -> None:
    if path.exists() and mark_of(path) is None:
        raise OutputExists(f"{path} exists and was not made by perkie", hint="Move it, or use another --out-dir.")
    write_atomically(path, data)
