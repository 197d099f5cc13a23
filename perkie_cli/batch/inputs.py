"""What the user typed as INPUT…: files, folders and globs, as a list of files."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from perkie_cli.batch.files import located
from perkie_cli.domain.errors import UnreadableFile, UsageError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input. ``folder`` is its place below the folder that was typed, so that outputs can mirror it."""

    path: Path
    folder: Path = Path()
    from_folder: bool = False


def expand(words: Sequence[str], *, recursive: bool, made_by_us: Iterable[Path] = ()) -> list[InputFile]:
    """Folders give their pictures (by ending; without outputs that perkie made there), globs their matches.

    A named file is taken whatever its ending: the content decides later. Each file comes once, in order. Of several
    words one that gives nothing stays as it is, and fails by itself when it is read.

    Raises: UnreadableFile when the only word gives nothing, UsageError for a word that names nothing.
    """
    made = frozenset(made_by_us)
    files: dict[Path, InputFile] = {}
    for word in words:
        try:
            found = _expand_one(word, recursive, made)
        except UnreadableFile:
            if len(words) == 1:
                raise
            found = [InputFile(Path(word))]
        for file in found:
            files.setdefault(located(file.path), file)
    return list(files.values())


def _expand_one(word: str, recursive: bool, made: frozenset[Path]) -> list[InputFile]:
    path = Path(word)
    if word in ("", "-"):  # an empty variable of a script must not stand for the whole folder
        raise UsageError(f"{word!r} is no picture's path", hint="Name files, folders or patterns; stdin is not read.")
    if holds(path.is_dir):
        if not os.access(path, os.R_OK | os.X_OK):
            raise UnreadableFile(f"{path} may not be read (permission denied)")
        found = [file for file in _pictures(path, recursive) if located(file.path) not in made]
        if not found:
            more = "" if recursive else " Give --recursive to look into its folders too."
            raise UnreadableFile(f"{path} holds no pictures", hint=f"Looked for {_endings()}.{more}")
        return found
    if glob.has_magic(word) and not holds(path.exists):
        matches = [path for path in map(Path, sorted(glob.glob(word, recursive=recursive))) if holds(path.is_file)]
        if not matches:
            raise UnreadableFile(f"no file matches {word}")
        return [InputFile(path) for path in matches]
    return [InputFile(path)]


def holds(question: Callable[[], bool]) -> bool:
    """False also where the file system does not let us know; reading the file will tell why."""
    with suppress(OSError):
        return question()
    return False


def _pictures(folder: Path, recursive: bool) -> Iterator[InputFile]:
    walk = folder.rglob("*") if recursive else folder.glob("*")
    for path in sorted(walk):
        if path.suffix.lower() in PICTURE_SUFFIXES and holds(path.is_file) and not path.name.startswith("."):
            yield InputFile(path, path.parent.relative_to(folder), from_folder=True)


def _endings() -> str:
    return ", ".join(sorted(PICTURE_SUFFIXES))


def check_targets(files: Sequence[InputFile], outputs_each: int, output: Path | None, out_dir: Path | None) -> None:
    """Whether the way the outputs were named fits their number.

    Raises: UsageError.
    """
    if output is not None and out_dir is not None:
        raise UsageError("-o and --out-dir exclude each other")
    if output is not None and len(files) * outputs_each != 1:
        raise UsageError(
            f"-o names one file, but {len(files) * outputs_each} are to be made", hint="Use --out-dir DIR."
        )
    if out_dir is None and any(file.from_folder for file in files):
        raise UsageError("a folder as input needs --out-dir DIR", hint="So that outputs do not mix with your pictures.")
