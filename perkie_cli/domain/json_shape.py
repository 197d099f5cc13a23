"""The shape of a JSON text, judged before it is parsed.

Parsed JSON can be thirty times as large as its text: every empty list of three bytes becomes an object. What perkie
reads is one or a few long strings, pictures, with a little around them. So the text outside of strings is bounded,
which bounds the number of values; a long string must be ASCII, since one other character would make each of its
characters four bytes.
"""

from __future__ import annotations

import re

LONG = 4 * 1024 * 1024  # bytes of a string that must be ASCII
_MOST_NESTED = 16
_MOST_BACKSLASHES = 64  # in a row
_WIDE = re.compile(rb"\\u(?!00[0-7])")  # an escape that is not ASCII


class Misshapen(ValueError):
    """The text is not JSON, or more than anybody has to say; in words for its sender."""


def strings_in(text: bytes, most_around: int) -> list[tuple[int, int]]:
    """Where the strings of a text are, from quotation mark to quotation mark, if at most ``most_around`` bytes are
    outside of them. It may not be JSON at all.

    ``find`` leaps over a picture at memory speed, and beside strings it never looks further than allowed.

    Raises: Misshapen.
    """
    escapes = text.find(b"\\") >= 0
    around: list[bytes] = []
    found: list[tuple[int, int]] = []
    left, at = most_around, 0
    while (begin := text.find(b'"', at, max(at, at + left))) >= 0:
        around.append(text[at:begin])
        end = text.find(b'"', begin + 1)
        while escapes and end >= 0 and left > 0 and _escaped(text, end):
            end, left = text.find(b'"', end + 1), left - 1
        if end < 0:
            raise Misshapen("a string does not end")
        if end - begin > LONG:
            _check_ascii(text[begin:end])
        found.append((begin, end))
        left -= begin - at + 1
        at = end + 1
    if len(text) - at > left:
        raise Misshapen("it has too many values")
    around.append(text[at:])
    _check_nesting(b"".join(around))
    return found


def _escaped(text: bytes, quote: int) -> bool:
    """Whether an odd number of backslashes is before the quotation mark. Raises: Misshapen for very many."""
    before = text[max(0, quote - _MOST_BACKSLASHES) : quote]
    run = len(before) - len(before.rstrip(b"\\"))
    if run == _MOST_BACKSLASHES:
        raise Misshapen("it has too many backslashes in a row")
    return run % 2 == 1


def _check_ascii(string: bytes) -> None:
    if not string.isascii() or (string.find(b"\\u") >= 0 and _has_wide_escapes(string)):
        raise Misshapen("a long string is not base64")


def _has_wide_escapes(string: bytes) -> bool:
    """Searches in pieces, so that other threads get their turn."""
    for at in range(0, len(string), LONG):
        found = _WIDE.search(string, at, at + LONG + 5)
        if found is not None and found.start() < at + LONG:  # what is cut off there belongs to the next piece
            return True
    return False


def _check_nesting(around: bytes) -> None:
    if around.count(b"[") + around.count(b"{") <= _MOST_NESTED:
        return
    depth = 0
    for each in around:
        depth += (each in b"[{") - (each in b"]}")
        if depth > _MOST_NESTED:
            raise Misshapen(f"it is nested deeper than {_MOST_NESTED}")
