"""Lists of inputs: a list of files (``--files-from``) and a manifest (CSV or JSON Lines).

A manifest names a ``path`` in each row, and may name its ``owner``, ``styles`` and ``output``. The header row of a CSV
is the contract: it decides the separator (``,`` ``;`` or a tab) and the order, and every column must be known.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from perkie_cli.batch.photos.sources import InputFile, Source
from perkie_cli.domain.errors import InvalidParameter, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.spelling import did_you_mean

COLUMNS = ("path", "owner", "styles", "output")
_SEPARATORS = ",;\t"


@frozen
class Row:
    """One row: where its photo is, and what else it names."""

    line: int
    path: str
    styles: tuple[str, ...] | None = None
    owner: Owner | None = None
    output: PurePath | None = None

    def of(self, source: Source) -> InputFile:
        """The input that this row names."""
        return InputFile(source, styles=self.styles, owner=self.owner, output=self.output)


def listed(data: bytes, name: str, *, null: bool) -> list[str]:
    """The paths of a list, one a line, or with a NUL after each. Empty lines do not count.

    Raises: InvalidParameter.
    """
    words = data.split(b"\0") if null else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    paths = [word.decode("utf-8", "surrogateescape") for word in words if word]
    if not null and any("\0" in path for path in paths):
        raise InvalidParameter(f"{name} has NUL bytes", hint="Give -0 for a list made by `find -print0`.")
    if null and b"\0" not in data and b"\n" in data:
        raise InvalidParameter(f"{name} has lines, but no NUL bytes", hint="Leave -0 out for one path a line.")
    return paths


def rows(data: bytes, name: str, styles: Callable[[str], Sequence[str]]) -> list[Row]:
    """The rows of a manifest. ``styles`` turns a row's words for styles into ids.

    Raises: InvalidParameter, which names the line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidParameter(f"{name}:{line}: this is not UTF-8 text", hint="Save it as UTF-8.") from None
    fields = _json_lines(text, name) if text.lstrip()[:1] == "{" else _csv(text, name)
    return [_row(values, line, name, styles) for line, values in fields]


def _json_lines(text: str, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InvalidParameter(f"{name}:{number}: this is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise InvalidParameter(f'{name}:{number}: each line is an object such as {{"path": "pet.jpg"}}')
        where = f"{name}:{number}"
        _check_columns(list(values), where)
        yield number, {key: _plain(value, key, where) for key, value in values.items() if value is not None}


def _plain(value: Any, key: str, where: str) -> str:
    """A field as text: styles may be a list, ids may be numbers."""
    if key == "styles" and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, str) or (key == "owner" and isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise InvalidParameter(f"{where}: {key} is a text, not {json.dumps(value)[:40]}")


def _csv(text: str, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    header = text.partition("\n")[0].strip()
    separator = next((each for each in _SEPARATORS if each in header), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        _check_columns(columns, f"{name}:1")
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise InvalidParameter(f"{name}:{line}: {len(cells)} fields, but the header has {len(columns)}")
            yield line, {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell.strip()}
    except csv.Error as error:
        raise InvalidParameter(f"{name}:{reader.line_num}: {error}") from None


def _check_columns(columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in COLUMNS:
            hint = f"{did_you_mean(column, COLUMNS)} Columns: {', '.join(COLUMNS)}.".strip()
            raise InvalidParameter(f"{where}: there is no column {column[:40]!r}", hint=hint)
    if len(set(columns)) < len(columns):
        raise InvalidParameter(f"{where}: a column is there twice")
    if "path" not in columns:
        raise InvalidParameter(f"{where}: the column path is missing", hint=f"Columns: {', '.join(COLUMNS)}.")


def _row(values: Mapping[str, str], line: int, name: str, styles: Callable[[str], Sequence[str]]) -> Row:
    try:
        if not values.get("path"):
            raise InvalidParameter("path is empty")
        for key, value in values.items():
            _check_text(key, value)
        return Row(
            line,
            values["path"],
            tuple(styles(values["styles"])) if values.get("styles") else None,
            _owner(values["owner"]) if values.get("owner") else None,
            _output(values["output"]) if values.get("output") else None,
        )
    except PerkieError as error:
        raise InvalidParameter(f"{name}:{line}: {error.message}", hint=error.hint) from error


def _check_text(key: str, text: str) -> None:
    """JSON can spell what no file is called. Raises: InvalidParameter."""
    try:
        named = os.fsencode(text)
    except UnicodeEncodeError:
        named = b"\0"
    if b"\0" in named:
        raise InvalidParameter(f"{key} {text[:60]!r} has a character that no file name has")


def _owner(text: str) -> Owner:
    """``customer:ID``, ``session:ID``, or the id of a customer. Raises: InvalidIdentity."""
    kind, colon, id_ = text.partition(":")
    if not colon:
        return Owner.customer(text)
    if kind == "session":
        return Owner.session(id_)
    if kind != "customer":
        raise InvalidParameter(f"owner {text[:40]!r} is neither customer:ID nor session:ID")
    return Owner.customer(id_)


def _output(text: str) -> PurePath:
    """A path that stays below the output folder. Raises: InvalidParameter."""
    path = PurePath(text)
    if path.is_absolute() or ".." in path.parts or path == PurePath():
        raise InvalidParameter(f"output {text[:60]!r} leads out of the output folder", hint="Name a path below it.")
    return path
