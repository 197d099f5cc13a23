"""The ``fields`` parameter of Google's APIs: ``items(name,size),nextPageToken`` or ``items/name``; ``*`` is any name.

https://docs.cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\s*([\w*.-]+|[(),/])\s*")


@dataclass
class FieldSelection:
    """The selected part of a value: all of it if nothing below is named."""

    below: dict[str, FieldSelection] = field(default_factory=dict)

    def of(self, value: object) -> object:
        """The selected part, of each item of a list."""
        if not self.below:
            return value
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if not isinstance(value, dict):
            return value
        wanted = ((name, self.below.get(name) or self.below.get("*")) for name in value)
        return {name: selection.of(value[name]) for name, selection in wanted if selection is not None}


def select(value: object, fields: str) -> object:
    """The part of a JSON value that ``fields`` names.

    Raises: ValueError for an invalid selection.
    """
    selection = FieldSelection()
    if _names(_tokens(fields), selection) is not None:
        raise ValueError(f"Invalid field selection {fields}")
    return selection.of(value)


def _tokens(fields: str) -> Iterator[str]:
    place = 0
    while place < len(fields):
        match = _TOKEN.match(fields, place)
        if match is None:
            raise ValueError(f"Invalid field selection {fields}")
        yield match[1]
        place = match.end()


def _names(tokens: Iterator[str], into: FieldSelection) -> str | None:
    """Names up to a closing bracket or the end, which is returned."""
    while True:
        name = next(tokens, "")
        if name in ("", *"(),/"):
            raise ValueError(f"Invalid field selection {name}")
        inner = into.below.setdefault(name, FieldSelection())
        after = next(tokens, None)
        while after == "/":
            inner = inner.below.setdefault(next(tokens, ""), FieldSelection())
            after = next(tokens, None)
        if after == "(":
            if _names(tokens, inner) != ")":
                raise ValueError("Invalid field selection: a bracket is not closed")
            after = next(tokens, None)
        if after != ",":
            return after
