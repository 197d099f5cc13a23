"""Markdown for a job's summary on a CI: headings, tables and code, of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence

from perkie_cli.reports.text import xml_safe

MOST_BYTES = 64 * 1024  # GitHub drops a step's summaries altogether above 1 MiB


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> str:
    """A table; columns named in ``right`` are right-aligned."""
    marks = ["---:" if column in right else "---" for column in columns]
    lines = [_row(columns), "|" + "|".join(marks) + "|", *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(escape(str(cell)) for cell in cells) + " |"


def escape(text: str) -> str:
    """Text in one line that Markdown and HTML leave alone."""
    return " ".join(xml_safe(text).split()).translate(_ESCAPED)


_ESCAPED = str.maketrans({each: f"\\{each}" for each in "\\`*_[]|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


def document(parts: Sequence[str]) -> str:
    """Paragraphs, as many as fit into ``MOST_BYTES``."""
    kept: list[str] = []
    room = MOST_BYTES - 100
    for part in parts:
        room -= len(part.encode()) + 2
        if room < 0:
            kept.append("… (shortened)")
            break
        kept.append(part)
    return "\n\n".join(kept) + "\n"
