"""Reads style files: the shipped ones, then the user's own, which may override by id."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.pictures.style import BUILT_IN, RESERVED, Parameter, Style, StyleCatalogue, plain_name
from perkie_cli.domain.units import why_unread

_REQUIRED = {"id": str, "title": str, "prompt": str}
_OPTIONAL = {"safe_prompt": str, "prompt_version": str, "aliases": list, "popular": bool, "local": dict}
_LOCAL = {"recipe": str, "parameters": dict}
_KINDS = {str: "text", list: "a list", bool: "true or false", dict: "a table"}
_ID = re.compile(r"[A-Za-z0-9_]{1,60}")  # a part of storage keys and of file names


def load_styles(own: Path) -> StyleCatalogue:
    """The shipped styles and those of the folder ``own`` (which need not exist); an own id replaces a shipped one.

    An empty file is skipped: in `perkie styles show ID > own/new.toml` the shell creates it before perkie runs.

    Raises: InvalidSetting, naming the file and the field.
    """
    shipped = resources.files("perkie_cli") / "data" / "styles"
    files = [(entry, BUILT_IN) for entry in sorted(shipped.iterdir(), key=lambda e: e.name)]
    if own.is_dir():
        files += [(entry, str(entry)) for entry in sorted(own.glob("*.toml")) if not _is_empty(entry)]
    styles = [read_style(entry, source) for entry, source in files if entry.name.endswith(".toml")]
    book = StyleCatalogue(sorted(styles, key=lambda style: not style.popular))
    _check_names(book)
    return book


def _is_empty(file: Path) -> bool:
    """Whether the file is empty. False for a broken link, so that reading it raises an error with its name."""
    return file.is_file() and file.stat().st_size == 0


def _check_names(book: StyleCatalogue) -> None:
    taken = dict.fromkeys(RESERVED, "a word for several styles")
    for style in sorted(book.all(), key=lambda style: style.source != BUILT_IN):
        for name in {plain_name(name): name for name in style.names}.values():
            if (holder := taken.setdefault(plain_name(name), style.id)) != style.id:
                raise InvalidSetting(
                    f"style file {style.source}: the name {name!r} is already taken ({holder})",
                    hint="Give it another id and aliases of its own.",
                )


def read_style(file: Traversable | Path, source: str) -> Style:
    """One style file.

    Raises: InvalidSetting.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"style file {file}: {why_unread(error)}") from error
    _check(f"style file {file}", table)
    local = table.get("local", {})
    return Style(
        id=table["id"],
        title=table["title"],
        prompt=table["prompt"].strip(),
        safe_prompt=table.get("safe_prompt", table["prompt"]).strip(),
        prompt_version=table.get("prompt_version", "1"),
        drawing=local.get("recipe", "ink_wash"),
        aliases=tuple(table.get("aliases", ())),
        parameters=local.get("parameters", {}),
        popular=table.get("popular", False),
        source=source,
    )


def _check(file: str, table: dict[str, Any]) -> None:
    _check_fields(file, table, _REQUIRED | _OPTIONAL)
    for key in _REQUIRED:
        if not table.get(key):
            raise InvalidSetting(f"{file}: {key} is missing")
    local = table.get("local", {})
    _check_fields(f"{file}: [local]", local, _LOCAL)
    if not _ID.fullmatch(table["id"]):
        raise InvalidSetting(f"{file}: id {table['id']!r} may only hold letters a to z, digits and '_'")
    if not all(isinstance(alias, str) for alias in table.get("aliases", [])):
        raise InvalidSetting(f"{file}: aliases must be strings")
    if not all(isinstance(value, Parameter) for value in local.get("parameters", {}).values()):
        raise InvalidSetting(f"{file}: [local.parameters] must be numbers, strings, true or false")


def _check_fields(where: str, table: dict[str, Any], known: Mapping[str, type]) -> None:
    for key, value in table.items():
        if key not in known:
            raise InvalidSetting(f"{where}: unknown field {key!r}", hint=f"Fields: {', '.join(known)}.")
        if not isinstance(value, known[key]):
            raise InvalidSetting(f"{where}: {key} must be {_KINDS[known[key]]}")


def as_toml(style: Style) -> str:
    """The style as a file that ``read_style`` reads back."""
    lines = [
        f"id = {_quoted(style.id)}",
        f"title = {_quoted(style.title)}",
        f"aliases = [{', '.join(map(_quoted, style.aliases))}]",
        f"popular = {str(style.popular).lower()}",
        f"prompt_version = {_quoted(style.prompt_version)}",
        f"prompt = {_quoted(style.prompt)}",
        f"safe_prompt = {_quoted(style.safe_prompt)}",
        "",
        "[local]",
        f"recipe = {_quoted(style.drawing)}",
        "",
        "[local.parameters]",
        *(f"{name} = {_literal(value)}" for name, value in style.parameters.items()),
    ]
    return "\n".join(lines) + "\n"


def _literal(value: Parameter) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    """A TOML string; long text spans lines."""
    escaped = "".join(_escaped(c) for c in text)
    return f'"""\n{escaped}"""' if "\n" in text else f'"{escaped}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return f"\\{character}"
    return character if character in "\n\t" or character.isprintable() else f"\\U{ord(character):08X}"
