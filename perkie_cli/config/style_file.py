"""Reads one style file and finds everything that is wrong in it, with field and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.style import BrokenStyle, Parameter, Style, StyleFault
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import why_unread

CheckDrawing = Callable[[str, Mapping[str, object]], Iterator[tuple[str, InvalidParameter]]]
"""Yields each field below ``local`` that the drawing (its recipe, its parameters) cannot use, with the reason."""

_REQUIRED = {"id": str, "title": str, "prompt": str}
_OPTIONAL = {"safe_prompt": str, "prompt_version": str, "aliases": list, "popular": bool, "local": dict}
_LOCAL = {"recipe": str, "parameters": dict}
_KINDS = {str: "text", list: "a list", bool: "true or false", dict: "a table"}
_ID = re.compile(r"[A-Za-z0-9_]{1,60}")  # a part of storage keys and of file names
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_LONGEST = 1000  # lines in which faults are looked up: the search parses once a line


@frozen
class _Wrong:
    """A fault whose line is still to be found."""

    field: str
    message: str
    hint: str | None = None


def no_drawing(recipe: str, parameters: Mapping[str, object]) -> Iterator[tuple[str, InvalidParameter]]:
    """Accepts every drawing."""
    del recipe, parameters
    yield from ()


def read_style(
    file: Traversable | Path, source: str, check: CheckDrawing = no_drawing, popular: Collection[str] = ()
) -> Style | BrokenStyle:
    """The style in ``file``, or all that is wrong with it. ``popular``: ids that are, if the file does not say it."""
    name = file.name.removesuffix(".toml")
    try:
        text = file.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.search(str(error))
        line = int(place[1]) if place else len(text.splitlines())  # "at end of document"
        return BrokenStyle(source, (name,), (StyleFault(source, str(error), line=line),))
    except (OSError, UnicodeDecodeError) as error:
        return BrokenStyle(source, (name,), (StyleFault(source, why_unread(error)),))
    except RecursionError:
        return BrokenStyle(source, (name,), (StyleFault(source, "it is nested too deeply"),))
    if not table:
        return BrokenStyle(source, (name,), (StyleFault(source, "the file is empty"),))
    wrong = list(_faults(table, check))
    if not wrong:
        return _style(table, source, popular)
    faults = [StyleFault(source, it.message, it.field, line_of(text, it.field.split(".")), it.hint) for it in wrong]
    return BrokenStyle(source, _names(table) or (name,), tuple(faults))


def _names(table: Mapping[str, Any]) -> tuple[str, ...]:
    aliases = table.get("aliases")
    names = [table.get("id"), *(aliases if isinstance(aliases, list) else ())]
    return tuple(name for name in names if isinstance(name, str) and name)


def _style(table: Mapping[str, Any], source: str, popular: Collection[str]) -> Style:
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
        popular=table.get("popular", table["id"] in popular),
        source=source,
    )


def _faults(table: Mapping[str, Any], check: CheckDrawing) -> Iterator[_Wrong]:
    yield from _field_faults("", table, _REQUIRED | _OPTIONAL)
    for key in _REQUIRED:
        if table.get(key) in (None, ""):
            yield _Wrong(key, f"{key} is missing", "A style needs id, title and prompt.")
    if isinstance(id_ := table.get("id"), str) and id_ and not _ID.fullmatch(id_):
        yield _Wrong("id", f"id {id_[:60]!r} may only hold letters a to z, digits and '_'")
    if isinstance(aliases := table.get("aliases"), list) and not all(isinstance(each, str) for each in aliases):
        yield _Wrong("aliases", "aliases must be strings")
    if isinstance(local := table.get("local", {}), dict):
        yield from _local_faults(local, check)


def _local_faults(local: Mapping[str, Any], check: CheckDrawing) -> Iterator[_Wrong]:
    yield from _field_faults("local.", local, _LOCAL)
    recipe, parameters = local.get("recipe", "ink_wash"), local.get("parameters", {})
    if not isinstance(recipe, str) or not isinstance(parameters, dict):
        return
    plain = {name: value for name, value in parameters.items() if isinstance(value, Parameter)}
    for name in parameters.keys() - plain.keys():
        yield _Wrong(f"local.parameters.{name}", f"{name} must be a number, a string, true or false")
    for field, error in check(recipe, plain):
        yield _Wrong(f"local.{field}", error.message, error.hint)


def _field_faults(prefix: str, table: Mapping[str, Any], known: Mapping[str, type]) -> Iterator[_Wrong]:
    for key, value in table.items():
        if key not in known:
            hint = f"{did_you_mean(key, known)} Fields: {', '.join(known)}.".strip()
            yield _Wrong(f"{prefix}{key}", f"unknown field {prefix + key!r}", hint)
        elif not isinstance(value, known[key]):
            yield _Wrong(f"{prefix}{key}", f"{prefix}{key} must be {_KINDS[known[key]]}")


def line_of(text: str, path: list[str]) -> int | None:
    """The line where the key at ``path`` begins: the first one after the longest beginning of ``text`` that is valid
    TOML without the key. None for a missing key.
    """
    lines = text.split("\n")
    begins = 1
    for count in range(1, min(len(lines), _LONGEST) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value
        if _has(table, path):
            return begins
        begins = count + 1
    return None


def _has(table: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
