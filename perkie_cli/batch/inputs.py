"""What the user typed as INPUT…: files, folders, globs and ``-``, as a list of files."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from perkie_cli.batch.files import STDIO, located
from perkie_cli.batch.mark import Kind, mark_of
from perkie_cli.domain.errors import NotAnImage, UnreadableFile, UsageError
from perkie_cli.imaging.damage import ACCEPTED
from perkie_cli.imaging.sniff import HEAD, sniff

_USUAL = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})  # taken by name; others are looked into


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input. ``folder`` is its place below the folder that was typed, so that outputs can mirror it."""

    path: Path
    folder: Path = Path()
    from_folder: bool = False


@dataclass(slots=True)
class Inputs:
    """The files of a run, and the outputs of perkie among what was typed: nobody pays for a picture of a picture."""

    files: list[InputFile] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)


def expand(words: Sequence[str], *, recursive: bool, kind: Kind, made_by_us: Iterable[Path] = ()) -> Inputs:
    """Folders give their pictures (by content), globs their matches; a file that is named is taken whatever it is.

    Outputs of the same ``kind`` are left out, by their mark or by the record of outputs; those of the other kind where
    they lie among photos. The only file that was named is never left out. Each file comes once, in order. Of several
    words one that gives nothing stays as it is, and fails by itself when it is read.

    Raises: UnreadableFile when the only word gives nothing, UsageError for a word that names nothing.
    """
    files: dict[Path, InputFile] = {}
    for word in words:
        try:
            found = _expand_one(word, recursive)
        except UnreadableFile:
            if len(words) == 1:
                raise
            found = [InputFile(Path(word))]
        for file in found:
            files.setdefault(located(file.path), file)
    if list(files) == [located(Path(word)) for word in words[:1]]:
        return Inputs(list(files.values()))
    return _without_outputs(files, kind, frozenset(made_by_us))


def _without_outputs(files: dict[Path, InputFile], kind: Kind, recorded: frozenset[Path]) -> Inputs:
    marks = {place: mark_of(file.path) for place, file in files.items()}
    photos = any(mark is None and place not in recorded for place, mark in marks.items())
    found = Inputs()
    for place, file in files.items():
        mark = marks[place]
        ours = mark is kind or (photos and (mark is not None or place in recorded))
        found.left_out.append(file.path) if ours else found.files.append(file)
    if not found.files:
        raise UnreadableFile(
            f"there are no photos, only what perkie made of them ({len(found.left_out)})",
            hint="Name a single file to use it all the same.",
        )
    return found


def _expand_one(word: str, recursive: bool) -> list[InputFile]:
    path = Path(word)
    if word == "":  # an empty variable of a script must not stand for the whole folder
        raise UsageError("'' is no picture's path", hint="Name files, folders or patterns; - is stdin.")
    if path == STDIO:
        return [InputFile(STDIO)]
    if holds(path.is_dir):
        return _in_folder(path, recursive)
    if glob.has_magic(word) and not holds(path.exists):
        matches = [path for path in map(Path, sorted(glob.glob(word, recursive=True))) if holds(path.is_file)]
        if not matches:
            raise UnreadableFile(f"no file matches {word}")
        return [InputFile(path) for path in matches]
    return [InputFile(path)]


def holds(question: Callable[[], bool]) -> bool:
    """False also where the file system does not let us know; reading the file will tell why."""
    with suppress(OSError):
        return question()
    return False


def _in_folder(folder: Path, recursive: bool) -> list[InputFile]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UnreadableFile(f"{folder} may not be read (permission denied)")
    if found := list(_pictures(folder, recursive)):
        return found
    more = "" if recursive else " Give --recursive to look into its folders too."
    raise UnreadableFile(f"{folder} holds no pictures", hint=f"{ACCEPTED} are read.{more}")


def _pictures(folder: Path, recursive: bool) -> Iterator[InputFile]:
    walk = folder.rglob("*") if recursive else folder.glob("*")
    for path in sorted(walk):
        if not path.name.startswith(".") and holds(path.is_file) and _is_picture(path):
            yield InputFile(path, path.parent.relative_to(folder), from_folder=True)


def _is_picture(path: Path) -> bool:
    """By the usual endings, so that a broken one is told of; else by content: .jfif, .jpe, none at all."""
    if path.suffix.lower() in _USUAL:
        return True
    try:
        with path.open("rb") as file:
            sniff(file.read(HEAD), path.name)
    except (OSError, NotAnImage, UnreadableFile):
        return False
    return True


def check_targets(files: Sequence[InputFile], outputs_each: int, output: Path | None, out_dir: Path | None) -> None:
    """Whether the way the outputs were named fits their number.

    Raises: UsageError.
    """
    count = len(files) * outputs_each
    if output is not None and out_dir is not None:
        raise UsageError("-o and --out-dir exclude each other")
    if output is not None and count != 1:
        raise UsageError(f"-o names one file, but {count} are to be made", hint="Use --out-dir DIR.")
    if out_dir is None and any(file.from_folder for file in files):
        raise UsageError("a folder as input needs --out-dir DIR", hint="So that outputs do not mix with your pictures.")
    if output is None and out_dir is None and count > 1 and any(file.path == STDIO for file in files):
        raise UsageError(f"a picture from stdin gives {count} outputs", hint="Use --out-dir DIR.")
