"""The style catalogue: the shipped styles, then the user's own, which may replace them by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from perkie_cli.config.style_file import CheckDrawing, no_drawing, read_style
from perkie_cli.domain.errors import BrokenInstall
from perkie_cli.domain.pictures.style import (
    BUILT_IN,
    RESERVED,
    BrokenStyle,
    Style,
    StyleCatalogue,
    StyleFault,
    plain_name,
)


def load_styles(own: Path, check: CheckDrawing = no_drawing) -> StyleCatalogue:
    """The shipped styles and those of the folder ``own`` (which need not exist); an own id replaces a shipped one.

    Files that cannot be used are in the catalogue's ``broken``. An empty file is skipped: in
    `perkie styles show ID > own/new.toml` the shell creates it before perkie runs.
    """
    return _catalogue([file for file in style_files(own) if not is_empty(file)], check)


def check_styles(own: Path, files: Sequence[Path], check: CheckDrawing) -> Sequence[Style | BrokenStyle]:
    """What each of ``files`` would be beside the styles of the folder ``own``; without ``files``: all of the folder."""
    beside = {file.resolve(): file for file in style_files(own)}
    chosen = {file.resolve(): file for file in files} or beside
    book = _catalogue(list((beside | chosen).values()), check)
    every: list[Style | BrokenStyle] = [*book.all(), *book.broken]
    found = {each.source: each for each in every}
    return [found[str(file)] for file in chosen.values()]


def style_files(own: Path) -> list[Path]:
    """The style files of a folder."""
    return sorted(own.glob("*.toml")) if own.is_dir() else []


def is_empty(file: Path) -> bool:
    """Whether the file is empty. False for a broken link, so that reading it raises an error with its name."""
    return file.is_file() and file.stat().st_size == 0


def _catalogue(files: Sequence[Path], check: CheckDrawing) -> StyleCatalogue:
    shipped = _shipped(check)
    popular = {style.id for style in shipped if style.popular}
    own = [read_style(file, str(file), check, popular) for file in files]
    replaced = {each.id for each in own}
    kept = [style for style in shipped if style.id not in replaced]
    settled = list(_settled(own, kept))
    good = [each for each in settled if isinstance(each, Style)]
    broken = [_with_names(each, shipped) for each in settled if isinstance(each, BrokenStyle)]
    return StyleCatalogue(sorted([*kept, *good], key=lambda style: not style.popular), broken)


def _shipped(check: CheckDrawing) -> list[Style]:
    folder = resources.files("perkie_cli") / "data" / "styles"
    files = [file for file in sorted(folder.iterdir(), key=lambda file: file.name) if file.name.endswith(".toml")]
    styles: list[Style] = []
    for file in files:
        style = read_style(file, BUILT_IN, check)
        if isinstance(style, BrokenStyle):
            raise BrokenInstall(f"the shipped style file {file.name} is damaged: {style.faults[0].message}")
        styles.append(style)
    return styles


def _settled(own: Sequence[Style | BrokenStyle], kept: Sequence[Style]) -> Iterator[Style | BrokenStyle]:
    """``own`` in order; a style with a name that is already taken becomes a broken one."""
    taken = dict.fromkeys(RESERVED, "a word for several styles")
    taken |= {plain_name(name): style.id for style in kept for name in style.names}
    for each in own:
        if isinstance(each, BrokenStyle):
            yield each
            continue
        clashes = [name for name in each.names if plain_name(name) in taken]
        if clashes:
            yield BrokenStyle(each.source, each.names, tuple(_clash(each, name, taken) for name in clashes))
            continue
        taken |= {plain_name(name): f"{each.id} in {Path(each.source).name}" for name in each.names}
        yield each


def _clash(style: Style, name: str, taken: dict[str, str]) -> StyleFault:
    return StyleFault(
        style.source,
        f"the name {name!r} is already taken ({taken[plain_name(name)]})",
        "id" if name == style.id else "aliases",
        hint="Give it another id and aliases of its own.",
    )


def _with_names(broken: BrokenStyle, shipped: Sequence[Style]) -> BrokenStyle:
    """Also with the aliases of the shipped style that it would replace: they must lead to its faults."""
    aliases = [alias for style in shipped if style.id == broken.id for alias in style.aliases]
    return replace(broken, names=(*broken.names, *aliases))
