"""The items of a run as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from perkie_cli.domain.runs import Item

COLUMNS = ("place", "status", "input", "style", "output", "attempts", "seconds", "usd", "engine", "code", "message")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(items: Iterable[Item]) -> Iterator[str]:
    """Yields the header and one line for each item."""
    yield _line(COLUMNS)
    for item in items:
        made = (item.attempts, f"{item.seconds:.3f}", f"{item.usd:f}", item.engine)
        texts = (item.source, item.style, item.output)
        error = (item.code, item.message)
        yield _line((item.place, item.status.value, *map(_cell, texts), *made, *map(_cell, error)))


def _line(cells: Iterable[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a file name may be anybody's.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    printable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"'{printable}" if printable.startswith(_FORMULA) else printable
