"""The line of each field of a TOML file, which the standard library's reader does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
_TABLE = re.compile(r"\[(\[)?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_NAME = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_FENCES = ('"""', "'''")


def lines_of(text: str) -> Mapping[Path, int]:
    """Line numbers, from 1, by path: ``("phase", 0, "rate")``. Fields inside an inline table have its line."""
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if fence:
            fence = "" if stripped.count(fence) % 2 else fence
        elif header := _TABLE.match(stripped):
            table = _path(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
            table = tuple(part for at in range(len(table)) for part in _step(table[: at + 1], counts))
            found[table] = number
        elif key := _KEY.match(stripped):
            found.setdefault((*table, *_path(key[1])), number)
            fence = next((each for each in _FENCES if stripped.count(each) % 2), "")
    return found


def _step(path: Path, counts: Mapping[Path, int]) -> Path:
    """The last name of a path, and its number when it is one of several tables."""
    return (path[-1], counts[path]) if path in counts else (path[-1],)


def _path(text: str) -> Path:
    return tuple(name.strip("\"'") for name in _NAME.findall(text))


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the field, or of the nearest table around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
