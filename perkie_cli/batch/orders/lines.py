"""Files of JSON lines: requests as they are gathered, and answers one by one, however large the file is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import unwritable
from perkie_cli.domain.json_shape import Misshapen, strings_in

LONGEST = 96 * 1024 * 1024  # bytes of a line, as of an answer online
_MOST_AROUND = 256 * 1024  # bytes of JSON around its strings


def write_line(path: Path, row: Mapping[str, Any]) -> int:
    """Begins a file with a row; the size of the file. Raises: DiskFull, UnwritableFile."""
    return _write(path, "wb", row)


def append_line(path: Path, row: Mapping[str, Any]) -> int:
    """Adds a row; the size of the file. Raises: as ``write_line``."""
    return _write(path, "ab", row)


def _write(path: Path, mode: str, row: Mapping[str, Any]) -> int:
    try:
        with path.open(mode) as file:
            file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
            return file.tell()
    except OSError as error:
        raise unwritable(str(path), error, hint="TMPDIR names another place.") from error


def read_lines(path: Path, longest: int = LONGEST) -> Iterator[Mapping[str, Any]]:
    """The rows that can be read, of ``longest`` bytes at most: a broken line must not cost the pictures beside it."""
    with path.open("rb") as file:
        while line := file.readline(longest):
            if len(line) < longest or line.endswith(b"\n"):
                if (row := _row(line)) is not None:
                    yield row
                continue
            while line and not line.endswith(b"\n"):  # the rest of a line that is too long
                line = file.readline(longest)


def _row(line: bytes) -> Mapping[str, Any] | None:
    try:
        strings_in(line, _MOST_AROUND)
        row = json.loads(line)
    except (Misshapen, ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
