"""Reads style files: the shipped ones, then the user's own, which may override by id."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.style import Parameter, Style, StyleBook

_REQUIRED = {"id": str, "title": str, "prompt": str}
_OPTIONAL = {"safe_prompt": str, "prompt_version": str, "aliases": list, "popular": bool, "local": dict}


def load_styles(own: Path) -> StyleBook:
    """The shipped styles and those of the folder ``own`` (which need not exist).

    Raises: InvalidSetting, naming the file and the field.
    """
    shipped = resources.files("perkie_cli") / "data" / "styles"
    files = [(entry, "built in") for entry in sorted(shipped.iterdir(), key=lambda e: e.name)]
    if own.is_dir():
        files += [(entry, str(entry)) for entry in sorted(own.glob("*.toml"))]
    styles = [read_style(entry, source) for entry, source in files if entry.name.endswith(".toml")]
    return StyleBook(sorted(styles, key=lambda style: not style.popular))


def read_style(file: Traversable | Path, source: str) -> Style:
    """One style file.

    Raises: InvalidSetting.
    """
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"style file {file.name}: {error}") from error
    _check(file.name, table)
    local: dict[str, Any] = dict(table.get("local", {}))
    return Style(
        id=table["id"],
        title=table["title"],
        prompt=table["prompt"].strip(),
        safe_prompt=table.get("safe_prompt", table["prompt"]).strip(),
        prompt_version=str(table.get("prompt_version", "1")),
        recipe=local.pop("recipe", "ink_wash"),
        aliases=tuple(table.get("aliases", ())),
        parameters=local.pop("parameters", {}),
        popular=table.get("popular", False),
        source=source,
    )


def _check(name: str, table: dict[str, Any]) -> None:
    known = _REQUIRED | _OPTIONAL
    for key in table:
        if key not in known:
            raise InvalidSetting(f"style file {name}: unknown field {key!r}", hint=f"Fields: {', '.join(known)}.")
    for key, kind in known.items():
        if key in table and not isinstance(table[key], kind):
            raise InvalidSetting(f"style file {name}: {key} must be {kind.__name__}")
        if key in _REQUIRED and not table.get(key):
            raise InvalidSetting(f"style file {name}: {key} is missing")
    if not str(table["id"]).replace("_", "").isalnum():
        raise InvalidSetting(f"style file {name}: id {table['id']!r} may hold letters, digits and '_' only")


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
        f"recipe = {_quoted(style.recipe)}",
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
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""\n{escaped}\n"""' if "\n" in text else f'"{escaped}"'
