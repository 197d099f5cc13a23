"""Where outputs go.

A target never overwrites another input's output. An input that shares its stem with another one of the run, or with
another picture of its folder, gets its extension into the name (``a-jpg_…``, ``a-png_…``), and a number if that is not
enough (``x/a.jpg``, ``y/a.jpg``). So a name does not depend on which of a folder's pictures are given. Nor does it on
pictures that come later: an output that is there and recorded as made from the same input keeps its name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path, PurePath

from perkie_cli.batch.files import STDIO, located
from perkie_cli.batch.mark import mark_of
from perkie_cli.batch.photos.inputs import USUAL
from perkie_cli.batch.photos.sources import FileSource, InputFile
from perkie_cli.domain.errors import UsageError

NUMBERED = 9  # names of an input that are looked up in the record

Origins = Callable[[Sequence[PurePath]], Mapping[PurePath, bytes]]
"""The ``Source.key`` that each recorded output was made from."""


def plan_targets(
    files: Sequence[InputFile],
    tails: Sequence[Sequence[str]],
    output: PurePath | None,
    out_dir: PurePath | None,
    origins: Origins,
) -> list[list[PurePath]]:
    """One target per file and each of its tails (``_ink_wash.jpg``; ``/ink_wash.jpg`` for a folder each), in order.

    A file's own ``output`` wins. Raises: UsageError.
    """
    if output is not None:
        return [[output]]
    if out_dir is None and [file.path for file in files] == [STDIO]:
        return [[STDIO]]
    return _Names(files, tails, out_dir).rows(origins)


class _Names:
    def __init__(self, files: Sequence[InputFile], tails: Sequence[Sequence[str]], out_dir: PurePath | None) -> None:
        self._files = files
        self._tails = {id(file): row for file, row in zip(files, tails, strict=True)}
        self._out_dir = out_dir
        stems = {(self._folded_stem(file), file.source.key) for file in files if file.output is None}
        self._run = Counter(stem for stem, _ in stems)
        self._taken: set[str] = set()
        self._beside: dict[Path, Mapping[str, Sequence[str]]] = {}

    def rows(self, origins: Origins) -> list[list[PurePath]]:
        """The targets of each file; those of rows and recorded ones first, so that no other file takes them."""
        base = self._out_dir or Path()
        fixed = {
            id(file): _of_row(file, self._tails[id(file)], base) for file in self._files if file.output is not None
        }
        for row in fixed.values():
            self._take(row)
        crowded = [file for file in self._files if file.output is None and self._is_crowded(file)]
        kept = self._recorded(crowded, origins) if crowded else {}
        for key, row in kept.items():
            if self._is_free(row):
                fixed[key] = self._take(row)
        crowd = set(map(id, crowded))
        return [fixed.get(id(file)) or self._named(file, id(file) in crowd) for file in self._files]

    def _named(self, file: InputFile, crowded: bool) -> list[PurePath]:
        rows = self._numbered(file, _told_apart(file) if crowded else _stem(file))
        return self._take(next(filter(self._is_free, rows)))

    def _is_free(self, row: list[PurePath]) -> bool:
        return self._taken.isdisjoint(map(_folded, row))

    def _take(self, row: list[PurePath]) -> list[PurePath]:
        self._taken.update(map(_folded, row))
        return row

    def _is_crowded(self, file: InputFile) -> bool:
        return self._run[self._folded_stem(file)] > 1 or self._has_twin(file)

    def _has_twin(self, file: InputFile) -> bool:
        """Whether another photo of that stem lies beside a file."""
        if not isinstance(file.source, FileSource):
            return False
        folder = file.source.path.parent
        if folder not in self._beside:
            self._beside[folder] = _pictures_by_stem(folder)
        names = self._beside[folder].get(file.path.stem.casefold(), ())
        return any(name != file.path.name and mark_of(folder / name) is None for name in names)

    def _recorded(self, files: Sequence[InputFile], origins: Origins) -> dict[int, list[PurePath]]:
        """The rows of those files whose outputs are there under one of their names."""
        rows = {id(file): [*self._first(file, _stem(file), 1), *self._first(file, _told_apart(file))] for file in files}
        made = origins([path for each in rows.values() for row in each for path in row])
        found: dict[int, list[PurePath]] = {}
        for file in files:
            own = (row for row in rows[id(file)] if any(made.get(path) == file.source.key for path in row))
            if (row := next(own, None)) is not None:
                found[id(file)] = row
        return found

    def _first(self, file: InputFile, stem: str, number: int = NUMBERED) -> list[list[PurePath]]:
        return list(islice(self._numbered(file, stem), number))

    def _numbered(self, file: InputFile, stem: str) -> Iterator[list[PurePath]]:
        """Yields the stem's targets, then those of ``stem-2``, ``stem-3``, …"""
        folder, tails = self._place(file), self._tails[id(file)]
        yield [folder / f"{stem}{tail}" for tail in tails]
        for number in count(2):
            yield [folder / f"{stem}-{number}{tail}" for tail in tails]

    def _folded_stem(self, file: InputFile) -> str:
        return _folded(self._place(file) / _stem(file))

    def _place(self, file: InputFile) -> PurePath:
        if self._out_dir is not None:
            return self._out_dir / file.folder
        return Path(file.path.parent)


def _of_row(file: InputFile, tails: Sequence[str], base: PurePath) -> list[PurePath]:
    """The targets of a manifest's row: its output is a file, or the folder of a pet. Raises: UsageError."""
    assert file.output is not None, "the row names its output"
    if all(tail.startswith("/") for tail in tails):
        return [base / f"{file.output}{tail}" for tail in tails]
    if len(tails) != 1:
        raise UsageError(
            f"output {file.output} of the manifest is one file, but there will be {len(tails)}",
            hint="Give each style a row of its own, or leave the output out.",
        )
    return [base / file.output]


def _stem(file: InputFile) -> str:
    return "stdin" if file.path == STDIO else file.path.stem


def _folded(path: PurePath) -> str:
    """A form that is equal for paths that some file systems treat as the same."""
    return str(located(path)).casefold()


def _told_apart(file: InputFile) -> str:
    """The stem with the extension, if there is one."""
    return "-".join(filter(None, (_stem(file), file.path.suffix.lstrip("."))))


def _pictures_by_stem(folder: Path) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            stem, ending = os.path.splitext(entry.name)  # noqa: PTH122  # of thousands of names
            if ending.lower() in USUAL and not entry.name.startswith("."):
                found.setdefault(stem.casefold(), []).append(entry.name)
    return found
