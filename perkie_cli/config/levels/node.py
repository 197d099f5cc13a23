"""Fields of a YAML document, read strictly: a wrong one is told with file, line and the rule it breaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

import yaml

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import parse_duration

MAX_BYTES = 1024 * 1024
T = TypeVar("T")


def documents(text: str, source: str) -> Iterator[Node]:
    """Each document of the text; empty ones are left out.

    Raises: InvalidSetting for what is not YAML.
    """
    try:
        if len(text) > MAX_BYTES:
            raise InvalidSetting(f"{source}: larger than 1 MiB")
        for root in yaml.compose_all(text, yaml.SafeLoader):
            if root is not None and root.tag != "tag:yaml.org,2002:null":
                yield Node.of(root, source, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f":{mark.line + 1}"
        raise InvalidSetting(f"{source}{where}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:  # a character that YAML forbids
        raise InvalidSetting(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InvalidSetting(f"{source}: nested too deeply") from error


@dataclass(slots=True)
class Node:
    """A mapping. ``done`` refuses fields that nobody asked for."""

    source: str
    path: str
    line: int
    fields: Mapping[str, yaml.Node]
    lines: Mapping[str, int]
    asked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, node: yaml.Node, source: str, path: str) -> Node:
        """Raises: InvalidSetting for what is no mapping, or has a key twice."""
        line = node.start_mark.line + 1
        where = f"{source}:{line}: {path}".rstrip(": ")
        if not isinstance(node, yaml.MappingNode):
            raise InvalidSetting(f"{where}: must be a mapping (key: value)")
        fields: dict[str, yaml.Node] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InvalidSetting(f"{where}: has a key that is no text")
            if key.value in fields:
                raise InvalidSetting(f"{source}:{key.start_mark.line + 1}: {key.value} is given twice")
            fields[key.value], lines[key.value] = value, key.start_mark.line + 1
        return cls(source, path, line, fields, lines)

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        self.asked.add(name)
        return name in self.fields

    def text(self, name: str, default: str | None = None, most: int = 1050) -> str:
        """A text; required without a ``default``. ``most``: characters."""
        if not self.has(name):
            if default is None:
                self.refuse("", f"has no {name}")
            return default
        node = self.fields[name]
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(name, "must be a text")
        value = str(node.value).strip()
        if not value or len(value) > most or any(not c.isprintable() and c != "\n" for c in value):
            self.refuse(name, f"must be a text of 1 to {most} printable characters")
        return value

    def one_of(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of some words."""
        text = self.text(name, default)
        if text not in known:
            self.refuse(name, f"is {text!r}, which is none of {', '.join(sorted(known))}", did_you_mean(text, known))
        return text

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A number, or a share such as ``95%``."""
        text = self.text(name, None if default is None else str(default))

        def parsed() -> float:
            return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)

        value = self.read(name, parsed, f"is {text!r}, which is no number")
        if not least <= value <= most:
            self.refuse(name, f"must be from {least:g} to {most:g}")
        return value

    def count(self, name: str, default: int) -> int:
        """A whole number from 0."""
        value = self.number(name, 0, 1_000_000, default)
        if value % 1:
            self.refuse(name, "must be a whole number")
        return int(value)

    def seconds(self, name: str, default: str | None = None) -> float:
        """A duration such as ``5m`` in whole minutes: Cloud Monitoring takes no others."""
        text = self.text(name, default)
        value = self.read(name, lambda: parse_duration(text).total_seconds())
        if value % 60:
            self.refuse(name, f"is {text!r}; windows are whole minutes")
        return value

    def mapping(self, name: str) -> Node:
        """A required mapping inside."""
        if not self.has(name):
            self.refuse("", f"has no {name}")
        return Node.of(self.fields[name], self.source, self._named(name))

    def mappings(self, name: str, least: int = 0) -> list[Node]:
        """A list of mappings."""
        return [
            Node.of(each, self.source, f"{self._named(name)}[{at}]") for at, each in enumerate(self._list(name, least))
        ]

    def texts(self, name: str) -> tuple[str, ...]:
        """One text, or a list of them."""
        if self.has(name) and isinstance(self.fields[name], yaml.ScalarNode):
            return (self.text(name),)
        found = self._list(name, 1)
        if not all(isinstance(each, yaml.ScalarNode) and each.value for each in found):
            self.refuse(name, "must be a text, or a list of texts")
        return tuple(str(each.value) for each in found)

    def read(self, name: str, parse: Callable[[], T], instead: str | None = None) -> T:
        """What ``parse`` makes of the field; its ValueError becomes the error."""
        try:
            return parse()
        except ValueError as error:
            self.refuse(name, instead or f"{error}")

    def skip(self, *names: str) -> None:
        """Fields that may be there and mean nothing here."""
        self.asked.update(names)

    def done(self) -> None:
        """Refuses fields that nobody asked for."""
        for name in self.fields:
            if name not in self.asked:
                self.refuse(name, "is not known", did_you_mean(name, self.asked))

    def refuse(self, name: str, why: str, hint: str = "") -> NoReturn:
        """Raises: InvalidSetting with file, line and field."""
        line = self.lines.get(name, self.line)
        shown = self._named(name) if name else self.path
        raise InvalidSetting(f"{self.source}:{line}: {f'{shown} ' if shown else ''}{why}", hint=hint or None)

    def _named(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _list(self, name: str, least: int) -> list[Any]:
        if not self.has(name):
            return [] if not least else self.refuse("", f"has no {name}")
        node = self.fields[name]
        if not isinstance(node, yaml.SequenceNode) or len(node.value) < least:
            self.refuse(name, f"must be a list of at least {least}")
        return list(node.value)
