"""Reads the fields of a TOML table strictly: a wrong one is told with file, line and name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from perkie_cli.domain.errors import BadInput, InvalidScenario, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import parse_duration, why_unread
from perkie_cli.loadtest.reading.toml_lines import Path as FieldPath
from perkie_cli.loadtest.reading.toml_lines import line_of, lines_of

T = TypeVar("T")
KINDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list",
}


@frozen
class Table:
    """One table; ``done`` refuses fields that nobody asked for. ``error``: what is raised for a wrong field."""

    file: str
    values: Mapping[str, Any]
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    path: FieldPath = ()
    asked: set[str] = field(default_factory=set)
    error: type[BadInput] = InvalidScenario

    def text(self, name: str, default: str = "") -> str:
        """A text in one line."""
        text = self._value(name, str, default)
        if any(not c.isprintable() for c in text):
            self.refuse(name, "must be one line without control characters")
        return text

    def switch(self, name: str) -> bool:
        """False when it is left out."""
        return self._value(name, bool, False)

    def number(self, name: str, default: float, least: float, most: float = float("inf")) -> float:
        """A number within bounds."""
        value = self._value(name, float, default)
        if not least <= value <= most:
            self.refuse(name, f"must be {_bounds(least, most)}")
        return value

    def count(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self._value(name, int, default)
        if not least <= value <= most:
            self.refuse(name, f"must be {_bounds(least, most)}")
        return value

    def seconds(self, name: str, default: float, least: float = 0.0, most: float = 86_400.0) -> float:
        """A duration such as "30s" or "5m"."""
        text = self._value(name, str, f"{default}s")
        value = self.read(name, lambda: parse_duration(text).total_seconds())
        if not least <= value <= most:
            self.refuse(name, f"must be {_bounds(least, most)} seconds")
        return value

    def texts(self, name: str) -> Mapping[str, str]:
        """A table of texts."""
        values = self._value(name, dict, {})
        for key, value in values.items():
            if not isinstance(value, str) or any(not c.isprintable() for c in key + value):
                self.refuse(f"{name}.{key}", "must be a text in one line")
        return values

    def table(self, name: str) -> Table:
        """A table inside; empty when it is left out."""
        return self._inside(self._value(name, dict, {}), name)

    def tables(self, name: str) -> list[Table]:
        """An array of tables, ``[[name]]``."""
        found = self._value(name, list, [])
        if not all(isinstance(each, dict) for each in found):
            self.refuse(name, f"must be tables: [[{name}]]")
        return [self._inside(each, name, at) for at, each in enumerate(found)]

    def any(self, name: str, kind: type[T], default: T) -> T:
        """A value of that type, whatever is in it."""
        return self._value(name, kind, default)

    def one_of(self, name: str, known: Collection[str], default: str) -> str:
        """One of some words."""
        text = self.text(name, default)
        if text not in known:
            self.refuse(name, f"is {text!r}, which is none of {', '.join(sorted(known))}")
        return text

    def read(self, name: str, convert: Callable[[], T]) -> T:
        """What ``convert`` makes of the field; its ValueError or PerkieError is told with the field's place."""
        try:
            return convert()
        except PerkieError as error:
            self.refuse(name, error.message, error.hint)
        except ValueError as error:
            self.refuse(name, str(error))

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return name in self.values

    def done(self) -> None:
        """Refuses the fields that were not asked for."""
        for name in self.values:
            if name not in self.asked:
                known = f"Fields: {', '.join(sorted(self.asked))}."
                self.refuse(name, "is not known here", f"{did_you_mean(name, self.asked)} {known}".strip())

    def refuse(self, name: str, why: str, hint: str | None = None) -> NoReturn:
        """Raises: the table's ``error``."""
        path = (*self.path, *name.split(".")) if name else self.path
        line = line_of(self.lines, path)
        raise self.error(f"{self.file}, line {line}: {_dotted(path) or 'the file'} {why}", hint=hint)

    def _inside(self, values: Mapping[str, Any], *path: str | int) -> Table:
        return Table(self.file, values, self.lines, (*self.path, *path), error=self.error)

    def _value(self, name: str, kind: type[T], default: T) -> T:
        self.asked.add(name)
        value = self.values.get(name, default)
        wanted = (int, float) if kind is float else kind
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            self.refuse(name, f"must be {KINDS[kind]}")
        return float(value) if kind is float else value  # type: ignore[return-value, arg-type]  # kind is T


def _bounds(least: float, most: float) -> str:
    return f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"


def _dotted(path: FieldPath) -> str:
    """``phase[2].rate``; numbers from 1, as people count."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def read_table(text: str, name: str) -> Table:
    """The whole file. Raises: InvalidScenario when it is not TOML."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidScenario(f"{name} is not valid TOML: {error}") from error
    return Table(name, values, lines_of(text))


def read_text(file: Path) -> str:
    """Raises: InvalidScenario when it cannot be read."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidScenario(f"{file} cannot be read: {why_unread(error)}") from error
