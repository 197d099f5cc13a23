"""From what was typed to the photos of a run, and in which order."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from perkie_cli.batch.files import STDIO, holds, read_input
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.photos.inputs import Inputs, each_once, expand, is_bucket
from perkie_cli.batch.photos.manifest import listed, rows
from perkie_cli.batch.photos.remote import expand_bucket
from perkie_cli.batch.photos.sources import FileSource, InputFile
from perkie_cli.domain.errors import InvalidParameter, NoPhotos, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Buckets
from perkie_cli.system.threads import in_own_thread

MOST_BYTES = 256 * 1024 * 1024  # of a list or manifest


class Order(StrEnum):
    """The order in which photos are taken."""

    GIVEN = "given"
    NAME = "name"
    NEWEST = "newest"
    OLDEST = "oldest"
    RANDOM = "random"


@frozen
class Given:
    """What was typed for the inputs. ``words`` are the INPUT arguments; ``null``: the list is NUL-separated."""

    words: Sequence[str]
    recursive: bool = False
    files_from: Path | None = None
    null: bool = False
    manifest: Path | None = None
    allow_empty: bool = False

    def check(self) -> None:
        """Raises: UsageError when there is no input, or two lists read stdin."""
        if not (self.words or self.files_from or self.manifest):
            raise UsageError("missing argument 'INPUT'", hint="Name photos, or give --files-from or --manifest.")
        readers = [each == STDIO for each in (self.files_from, self.manifest, *map(Path, self.words))]
        if sum(readers) > 1:
            raise UsageError("stdin can be read only once", hint="Give one - at most.")
        if self.null and self.files_from is None:
            raise UsageError("-0 belongs to --files-from")


@frozen
class Settling:
    """Finds the inputs. ``styles`` turns the words of a manifest into ids."""

    buckets: Callable[[], Buckets]
    kind: OutputKind
    styles: Callable[[str], Sequence[str]]

    async def inputs(self, given: Given, recorded: Iterable[Path]) -> Inputs:
        """All photos of a run. ``recorded`` are outputs that perkie made below the given folders.

        Raises: UsageError, NoPhotos, InvalidParameter for a wrong row of a manifest.
        """
        given.check()
        found = Inputs()
        near = [word for word in given.words if not is_bucket(word)]
        if near:
            look = partial(expand, near, recursive=given.recursive, kind=self.kind, made_by_us=recorded)
            found = await in_own_thread(look, allow_empty=given.allow_empty)  # Ctrl-C does not wait for a large folder
        for word in given.words:
            if is_bucket(word):
                more = await expand_bucket(word, self.buckets(), self.kind, recursive=given.recursive)
                found.files += more.files
                found.left_out += more.left_out
        if given.files_from is not None:
            found.files += await self._listed(given.files_from, null=given.null)
        if given.manifest is not None:
            found.files += await self._manifest(given.manifest)
        if not found.files:
            raise NoPhotos(f"{given.files_from or given.manifest or 'this'} names no photos")
        found.files = each_once(found.files)
        return found

    async def _listed(self, path: Path, *, null: bool) -> list[InputFile]:
        paths = listed(await _list(path), _name(path), null=null)
        return [await self._one(each, Path()) for each in dict.fromkeys(paths)]

    async def _manifest(self, path: Path) -> list[InputFile]:
        base = Path() if path == STDIO or holds(path.is_fifo) else path.parent
        found = rows(await _list(path), _name(path), self.styles)
        files = [row.of((await self._one(row.path, base)).source) for row in found]
        _check_once(_name(path), [(row.line, file) for row, file in zip(found, files, strict=True)])
        return files

    async def _one(self, word: str, base: Path) -> InputFile:
        if not is_bucket(word):
            return InputFile(FileSource(base / word))
        found = await expand_bucket(word, self.buckets(), self.kind, recursive=False)
        return found.files[0]


async def _list(path: Path) -> bytes:
    if path == STDIO and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("stdin is a terminal, not a list", hint="Pipe one in: find photos -name '*.jpg' | perkie …")
    return await in_own_thread(read_input, path, MOST_BYTES, pipe=True)


def _name(path: Path) -> str:
    return "stdin" if path == STDIO else str(path)


def _check_once(name: str, lines: Sequence[tuple[int, InputFile]]) -> None:
    """Checks that no two rows write to one output. Raises: InvalidParameter."""
    taken: dict[str, int] = {}
    for line, file in lines:
        if file.output is None:
            continue
        earlier = taken.setdefault(str(file.output).casefold(), line)
        if earlier != line:
            raise InvalidParameter(f"{name}:{line}: output {file.output} is that of line {earlier}, too")


def in_order(files: Sequence[InputFile], order: Order) -> list[InputFile]:
    """The files in that order. Those whose time is unknown come last."""
    match order:
        case Order.GIVEN:
            return list(files)
        case Order.NAME:
            return sorted(files, key=lambda file: file.source.name)
        case Order.RANDOM:
            return random.sample(files, len(files))
    newest = order is Order.NEWEST
    unknown = -math.inf if newest else math.inf
    times = {id(file): file.source.modified() for file in files}

    def when(file: InputFile) -> float:
        time = times[id(file)]
        return unknown if time is None else time

    return sorted(files, key=when, reverse=newest)
