"""HTML in one file, without scripts and without ``<style>``: what a strict CSP blocks is not in it.

Jenkins, for one, blocks scripts, style elements and even images in ``data:`` URLs. Attributes and inline SVG survive; a
``style`` attribute that is blocked costs only looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from perkie_cli.reports.text import xml_safe

INK, FAINT, LINE, GROUND = "#1c2330", "#5b6676", "#d6dbe3", "#ffffff"
GOOD, BAD, WARN = "#17663a", "#b3261e", "#8a5a00"
_BODY = (
    f"margin:0 auto;padding:24px 16px 64px;max-width:960px;background:{GROUND};color:{INK};"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif"
)
_CELL = f"padding:6px 14px 6px 0;border-bottom:1px solid {LINE};vertical-align:top;text-align:"


def text(value: object, colour: str = "") -> str:
    """Text, escaped."""
    escaped = escape(xml_safe(str(value)))
    return f'<span style="color:{colour}">{escaped}</span>' if colour else escaped


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document; ``parts`` are HTML."""
    name = text(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light"><title>{name}</title></head>\n'
        f'<body style="{_BODY}">\n' + "\n".join(parts) + "\n</body></html>\n"
    )


def heading(words: str, level: int = 2) -> str:
    """A heading."""
    size, above = {1: (28, 8), 2: (20, 36)}.get(level, (16, 24))
    return f'<h{level} style="font-size:{size}px;line-height:1.25;margin:{above}px 0 8px">{text(words)}</h{level}>'


def paragraph(inner: str, colour: str = "") -> str:
    """A paragraph of HTML."""
    style = f";color:{colour}" if colour else ""
    return f'<p style="margin:6px 0{style}">{inner}</p>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table; cells are HTML. It scrolls by itself where the page is narrow."""
    sides = ["right;white-space:nowrap" if column in right else "left" for column in columns]
    head = "".join(
        f'<th scope="col" style="{_CELL}{side};font-weight:600;color:{FAINT};white-space:nowrap">{text(column)}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f'<td style="{_CELL}{side}">{cell}</td>' for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def code(words: str) -> str:
    """A block of text as it is."""
    style = (
        "white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f5f8;padding:10px 12px;margin:6px 0;font-size:13px"
    )
    return f'<pre style="{style}">{text(words)}</pre>'
