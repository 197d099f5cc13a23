"""Experiments as files: Chaos Toolkit's JSON and YAML, and where in the file each field stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import yaml

from perkie_cli.domain.errors import BadInput, InvalidParameter, UnreadableFile
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import format_size, why_unread
from perkie_cli.loadtest.chaos.document.shipped import shipped

MAX_BYTES = 1024 * 1024
MAX_FIELDS = 20_000  # aliases of YAML can stand for any number of fields
MAX_DEPTH = 50
SUFFIXES = (".json", ".yaml", ".yml")
_PLAIN = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
Place = tuple[str | int, ...]  # keys and indexes from the top, such as ("method", 0, "name")


@frozen
class Source:
    """An experiment as it was written. ``shown`` is what errors call it."""

    shown: str
    document: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def wrong(self, place: Place, message: str, hint: str | None = None) -> BadInput:
        """The error for a field: ``outage.yaml:12: method[0].name: …``; the line of the nearest field around it."""
        line = next((self.lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self.lines), None)
        where = self.shown if line is None else f"{self.shown}:{line}"
        return InvalidParameter(f"{where}: {dotted(place)}{message}", hint=hint)


def dotted(place: Place) -> str:
    """``method[0].provider.url: ``; empty for the whole."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).lstrip(".")
    return f"{text}: " if text else ""


def read_experiment(name: str) -> Source:
    """A shipped experiment by its name, or a file.

    Raises: UnreadableFile, InvalidParameter with the line and the field.
    """
    known = shipped()
    if name in known:
        return parse_experiment(known[name], f"{name}.yaml")
    path = Path(name)
    if path.suffix.lower() not in SUFFIXES:
        listed = f"`perkie load-test list` names the experiments. {did_you_mean(name, known)}".rstrip()
        raise InvalidParameter(f"{name!r} is no experiment of perkie, and no {', '.join(SUFFIXES)} file", hint=listed)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidParameter(f"{name} is larger than {format_size(MAX_BYTES)}")
        return parse_experiment(path.read_text("utf-8-sig"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{name} cannot be read: {why_unread(error)}") from error


def parse_experiment(text: str, shown: str) -> Source:
    """Reads JSON where the name says so, else YAML.

    Raises: InvalidParameter with the line.
    """
    if not shown.lower().endswith(".json"):
        return _Reader(shown).read(text)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidParameter(f"{shown}:{error.lineno}: not JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise InvalidParameter(f"{shown}: nested too deeply") from error
    # JSON is YAML but for tabs, which no string holds, and numbers such as 1e3
    return replace(_Reader(shown).read(text.replace("\t", " ")), document=document)


class _Reader:
    """Reads YAML into plain values, and notes the line of each."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._lines: dict[Place, int] = {}
        self._loader = yaml.SafeLoader("")

    def read(self, text: str) -> Source:
        try:
            root = yaml.compose(text, yaml.SafeLoader)
            document = None if root is None else self._value(root, ())
        except yaml.MarkedYAMLError as error:
            raise self._unread(error) from error
        except yaml.YAMLError as error:  # a character that YAML forbids
            raise InvalidParameter(f"{self._shown}: not YAML: {error}") from error
        except RecursionError as error:
            raise InvalidParameter(f"{self._shown}: nested too deeply") from error
        return Source(self._shown, document, self._lines)

    def _unread(self, error: yaml.MarkedYAMLError) -> BadInput:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f":{mark.line + 1}"
        return InvalidParameter(f"{self._shown}{where}: not YAML: {error.problem or error.context}")

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > MAX_DEPTH or len(self._lines) > MAX_FIELDS:
            raise InvalidParameter(f"{self._shown}: an experiment of more than {MAX_FIELDS} fields, or without an end")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN:
            raise InvalidParameter(f"{self._at(node)}: not YAML: {dotted(place)}the tag {node.tag} is not known")
        if isinstance(node, yaml.SequenceNode):
            return [self._value(each, (*place, number)) for number, each in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self._scalar(node, place)
        self._refuse_repeated(node, place)
        self._loader.flatten_mapping(node)  # merge keys: <<
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            self._lines[*place, key] = key_node.start_mark.line + 1
            found[key] = self._value(value_node, (*place, key))
        return found

    def _at(self, node: yaml.Node) -> str:
        return f"{self._shown}:{node.start_mark.line + 1}"

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as error:  # a date or number that is none
            raise InvalidParameter(f"{self._at(node)}: {dotted(place)}{error}") from error

    def _key(self, node: yaml.Node, place: Place) -> str:
        key = node.value
        if isinstance(node, yaml.ScalarNode) and isinstance(key, str):
            return key
        raise InvalidParameter(f"{self._at(node)}: {dotted(place)}a key that is no text")

    def _refuse_repeated(self, node: yaml.MappingNode, place: Place) -> None:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self._key(key_node, place)
            if key in seen:
                raise InvalidParameter(f"{self._at(key_node)}: {dotted((*place, key))}given twice")
            seen.add(key)
