"""Turns the INPUT… arguments (files, folders, patterns, ``gs://`` addresses, ``-``) into a list of photos."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from perkie_cli.batch.files import STDIO, holds, located
from perkie_cli.batch.mark import OutputKind, mark_of
from perkie_cli.batch.outputs.address import BUCKET
from perkie_cli.batch.photos.sources import FileSource, InputFile, StdinSource
from perkie_cli.domain.errors import NoPhotos, NotAnImage, UnreadableFile, UsageError
from perkie_cli.imaging.damage import ACCEPTED
from perkie_cli.imaging.sniff import HEAD, sniff

USUAL = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"}
)  # accepted by name; other files are checked by content


@dataclass(slots=True)
class Inputs:
    """The files of a run, and those left out because perkie made them: nobody should pay for a picture of a picture.

    ``nowhere``: links of folders and patterns whose file is gone.
    """

    files: list[InputFile] = field(default_factory=list)
    left_out: list[PurePath] = field(default_factory=list)
    nowhere: list[PurePath] = field(default_factory=list)


def expand(
    words: Sequence[str],
    *,
    recursive: bool,
    kind: OutputKind,
    made_by_us: Iterable[Path] = (),
    allow_empty: bool = False,
) -> Inputs:
    """Expands folders to their pictures (by content) and globs to their matches; a named file is always included.

    Outputs of the same ``kind`` are left out, recognised by their mark or by the record of outputs; those of the other
    kind only among photos. If just one file is named, it is never left out. Each file comes once, in order. If one of
    several arguments yields nothing, it stays in the list and fails when it is read.

    With ``allow_empty`` such a folder or pattern is left out.

    Raises: NoPhotos or UnreadableFile when the only argument yields nothing, UsageError for an empty argument.
    """
    files: dict[str, InputFile] = {}
    nowhere: dict[str, PurePath] = {}
    for word in words:
        try:
            found = _expand_one(word, recursive, nowhere)
        except UnreadableFile as error:
            if len(words) == 1:
                raise
            found = [] if allow_empty and isinstance(error, NoPhotos) else [_named(Path(word))]
        for file in found:
            files.setdefault(located(Path(file.path)), file)
    if list(files) == [located(Path(word)) for word in words[:1]]:
        return Inputs(list(files.values()), nowhere=list(nowhere.values()))
    inputs = _without_outputs(files, kind, frozenset(map(located, made_by_us)))
    inputs.nowhere += nowhere.values()
    return inputs


def each_once(files: Sequence[InputFile]) -> list[InputFile]:
    """Without repetitions; rows of a manifest may differ in more than the photo."""
    return list({(each.source.key, each.styles, each.owner, each.output): each for each in files}.values())


def is_bucket(word: str) -> bool:
    """Whether the argument is an address in a bucket, which ``remote`` expands."""
    return word.startswith(BUCKET)


def _named(path: Path) -> InputFile:
    return InputFile(FileSource(path))


def _without_outputs(files: dict[str, InputFile], kind: OutputKind, recorded: frozenset[str]) -> Inputs:
    marks = {place: mark_of(Path(place)) for place in files}
    photos = any(mark is None and place not in recorded for place, mark in marks.items())
    found = Inputs()
    for place, file in files.items():
        mark = marks[place]
        ours = mark is kind or (photos and (mark is not None or place in recorded))
        found.left_out.append(Path(file.path)) if ours else found.files.append(file)
    if not found.files:
        raise only_outputs(len(found.left_out))
    return found


def only_outputs(count: int) -> NoPhotos:
    """The error of inputs that perkie made, all of them."""
    return NoPhotos(
        f"there are no photos, only outputs of perkie ({count})", hint="Name a single file to use it anyway."
    )


def _expand_one(word: str, recursive: bool, nowhere: dict[str, PurePath]) -> list[InputFile]:
    path = Path(word)
    if word == "":  # an empty variable in a script must not mean the whole folder
        raise UsageError("'' is not the path of a picture", hint="Name files, folders or patterns; - is stdin.")
    if path == STDIO:
        return [InputFile(StdinSource())]
    if word.startswith(("http://", "https://")):  # before a path is made of it, which would lose a slash
        raise UsageError(f"{word} is an address; files are read", hint=f"curl -fsSL {word} | perkie … - > out.jpg")
    if holds(path.is_dir):
        return _in_folder(path, recursive, nowhere)
    if glob.has_magic(word) and not holds(path.exists):
        return _matching(word, nowhere)
    return [_named(path)]


def _matching(pattern: str, nowhere: dict[str, PurePath]) -> list[InputFile]:
    """The files that match; outputs mirror their folders below the pattern's fixed part."""
    found = map(Path, sorted(glob.glob(pattern, recursive=True)))
    matches = [path for path in found if _is_file(path, nowhere)]
    if not matches:
        raise NoPhotos(f"no file matches {pattern}{_but_links(nowhere)}")
    fixed = Path(*_fixed_parts(Path(pattern).parts))
    return [InputFile(FileSource(path), path.parent.relative_to(fixed)) for path in matches]


def _fixed_parts(parts: Sequence[str]) -> Iterator[str]:
    """The parts of a pattern before the first with a wildcard; never the last one, which is a file's."""
    for part in parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _in_folder(folder: Path, recursive: bool, nowhere: dict[str, PurePath]) -> list[InputFile]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UnreadableFile(f"{folder} cannot be read (permission denied)")
    if found := list(_pictures(folder, recursive, nowhere)):
        return found
    more = "" if recursive else " Use --recursive to search its subfolders too."
    raise NoPhotos(f"{folder} has no pictures{_but_links(nowhere)}", hint=f"{ACCEPTED} are read.{more}")


def _pictures(folder: Path, recursive: bool, nowhere: dict[str, PurePath]) -> Iterator[InputFile]:
    for name in sorted(_names(folder, "", recursive), key=lambda name: name.replace(os.sep, "\0")):
        path = folder / name
        if name.endswith(os.sep) or (_is_file(path, nowhere) and _is_picture(path)):
            yield InputFile(FileSource(path), _shared(name.rpartition(os.sep)[0]), from_folder=True)


def _is_file(path: Path, nowhere: dict[str, PurePath]) -> bool:
    """Whether it is a file or leads to one; a link that leads nowhere is noted."""
    if holds(path.is_file):
        return True
    if path.is_symlink() and not holds(path.exists):
        nowhere[located(path)] = path
    return False


def _but_links(nowhere: Mapping[str, PurePath]) -> str:
    return f", only {links_to_nowhere(list(nowhere.values()))}" if nowhere else ""


def links_to_nowhere(links: Sequence[PurePath]) -> str:
    """Such links in words."""
    if len(links) == 1:
        return f"a link that leads nowhere: {links[0]}"
    return f"{len(links)} links that lead nowhere, such as {links[0]}"


def _names(folder: Path, below: str, recursive: bool) -> Iterator[str]:
    """Yields the names of a folder's files relative to it, without hidden ones. Links to folders are not followed.

    A folder below that cannot be read is yielded itself, with a separator at its end: it fails as one item.
    """
    try:
        with os.scandir(folder / below) as entries:
            seen = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        yield below
        return
    for name, is_folder in seen:
        if name.startswith("."):
            continue
        if not is_folder:
            yield below + name
        elif recursive:
            yield from _names(folder, f"{below}{name}{os.sep}", recursive)


@functools.lru_cache(maxsize=1024)
def _shared(folder: str) -> Path:
    """The path, one object for all files of a folder."""
    return Path(folder)


def _is_picture(path: Path) -> bool:
    """By the usual extensions, so that a broken file is reported; otherwise by content: .jfif, .jpe, no extension."""
    if path.suffix.lower() in USUAL:
        return True
    try:
        with path.open("rb") as file:
            sniff(file.read(HEAD), path.name)
    except (OSError, NotAnImage, UnreadableFile):
        return False
    return True


def check_targets(files: Sequence[InputFile], count: int, output: PurePath | None, out_dir: PurePath | None) -> None:
    """Checks that the output options fit ``count`` outputs.

    Raises: UsageError.
    """
    if output is not None and out_dir is not None:
        raise UsageError("-o and --out-dir exclude each other")
    if output is not None and count != 1:
        raise UsageError(f"-o names one file, but there will be {count} outputs", hint="Use --out-dir DIR.")
    if out_dir is None and any(file.from_folder for file in files):
        raise UsageError(
            "a folder or bucket as input requires --out-dir DIR", hint="So that outputs do not mix with your pictures."
        )
    if output is None and out_dir is None and count > 1 and any(file.path == STDIO for file in files):
        raise UsageError(f"a picture from stdin would give {count} outputs", hint="Use --out-dir DIR.")
