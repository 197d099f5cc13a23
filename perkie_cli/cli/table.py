"""Tables for people, in which everything that may have to be copied stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from perkie_cli.domain.frozen import frozen

_GAP = 2  # columns between two cells


@frozen
class Table:
    """Rows for people. Columns named in ``numeric`` are right-aligned, those in ``prose`` may be folded at spaces.

    Nothing else is folded: an id must be copied whole, so a terminal too narrow for that gets longer lines.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    numeric: frozenset[str] = frozenset()
    prose: frozenset[str] = frozenset()

    @property
    def least_width(self) -> int:
        """The width in columns below which something would be cut."""
        widths = self.widths(0)
        return sum(widths) + _GAP * (len(widths) - 1)

    def widths(self, room: int) -> list[int]:
        """The width of each column in a terminal ``room`` columns wide: at least its longest cell, or longest word of
        prose; what is left over goes to prose.
        """
        cells = [*zip(self.columns, *[map(str, row) for row in self.rows], strict=True)]
        widths = [_longest_word(column) if column[0] in self.prose else _longest(column) for column in cells]
        spare = room - sum(widths) - _GAP * (len(widths) - 1)
        for at, column in enumerate(cells):
            more = max(0, min(spare, _longest(column) - widths[at]))
            widths[at], spare = widths[at] + more, spare - more
        return widths


def _longest(column: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(line) for cell in column for line in cell.split("\n")), default=0)


def _longest_word(column: Sequence[str]) -> int:
    """Rich cuts a wide word that ends a line, because it counts the space behind it: such a word gets its place."""
    words = [word for cell in column for word in cell.split()]
    return max((_longest([word]) + (not word.isascii()) for word in words), default=0)


def drawn(part: str | Table, room: int) -> Any:
    """A table for Rich, ``room`` columns wide; text as it is, not as markup."""
    from rich.table import Table as RichTable
    from rich.text import Text

    if isinstance(part, str):
        return Text(part)
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(part.columns, part.widths(room), strict=True):
        justify: Literal["left", "right"] = "right" if column in part.numeric else "left"
        table.add_column(column, justify=justify, width=width)
    for cells in part.rows:
        table.add_row(*[Text(str(cell)) for cell in cells])
    return table
