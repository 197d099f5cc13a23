"""Reads a JSON object that nobody has to trust.

Parsed JSON can be thirty times as large as its text: every empty list of three bytes becomes an object. Bodies here are
one or a few long strings, pictures, with a little around them. So the text outside of strings is bounded before
anything is parsed, which bounds the number of values; a long string must be ASCII, since one other character would
make each of its characters four bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from perkie_cli.http.answer.problems import InvalidFields, MalformedBody

MOST_FIELDS = 64
MOST_AROUND = 16 * 1024  # bytes of JSON around its strings
MOST_NESTED = 16
LONG = 4 * 1024 * 1024  # bytes of a string that must be ASCII
_MOST_BACKSLASHES = 64  # in a row
_BOM = b"\xef\xbb\xbf"  # Windows editors and PowerShell put it at the start of files
_WIDE = re.compile(rb"\\u(?!00[0-7])")  # an escape that is not ASCII
_FLAT = "Send flat JSON: a few fields with short values, and pictures as base64."


def json_object(raw: bytes | str) -> dict[str, Any]:
    """The members of a JSON object, with or without a byte order mark before it.

    Raises: MalformedBody, also for more than a request can mean; InvalidFields for a name that occurs twice.
    """
    text = (raw.encode() if isinstance(raw, str) else raw).removeprefix(_BOM)
    strings = _strings_in(text)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody("the body is not a JSON object")
    if len(value) > MOST_FIELDS:
        raise InvalidFields(f"{len(value)} fields were sent; at most {MOST_FIELDS} are read")
    if strings != _strings_of(value):  # a name that occurs twice is missing
        _check_repeats(text)
    return value


def _strings_in(text: bytes) -> int:
    """The number of strings in the text, which may not be JSON at all.

    ``find`` leaps over a picture at memory speed, and beside strings it never looks further than allowed.

    Raises: MalformedBody.
    """
    escapes = text.find(b"\\") >= 0
    around: list[bytes] = []
    left, at = MOST_AROUND, 0
    while (begin := text.find(b'"', at, max(at, at + left))) >= 0:
        around.append(text[at:begin])
        end = text.find(b'"', begin + 1)
        while escapes and end >= 0 and left > 0 and _escaped(text, end):
            end, left = text.find(b'"', end + 1), left - 1
        if end < 0:
            raise MalformedBody("the body is not JSON: a string does not end")
        if end - begin > LONG:
            _check_ascii(text[begin:end])
        left -= begin - at + 1
        at = end + 1
    if len(text) - at > left:
        raise MalformedBody("the body has too many values", hint=_FLAT)
    around.append(text[at:])
    _check_nesting(b"".join(around))
    return len(around) - 1


def _escaped(text: bytes, quote: int) -> bool:
    """Whether an odd number of backslashes is before the quotation mark. Raises: MalformedBody for very many."""
    before = text[max(0, quote - _MOST_BACKSLASHES) : quote]
    run = len(before) - len(before.rstrip(b"\\"))
    if run == _MOST_BACKSLASHES:
        raise MalformedBody("the body is not usual JSON")
    return run % 2 == 1


def _check_ascii(string: bytes) -> None:
    if not string.isascii() or (string.find(b"\\u") >= 0 and _has_wide_escapes(string)):
        raise MalformedBody("a long string in the body is not base64", hint="Send pictures as base64.")


def _has_wide_escapes(string: bytes) -> bool:
    """Searches in pieces, so that other threads get their turn."""
    for at in range(0, len(string), LONG):
        found = _WIDE.search(string, at, at + LONG + 5)
        if found is not None and found.start() < at + LONG:  # what is cut off there belongs to the next piece
            return True
    return False


def _check_nesting(around: bytes) -> None:
    if around.count(b"[") + around.count(b"{") <= MOST_NESTED:
        return
    depth = 0
    for each in around:
        depth += (each in b"[{") - (each in b"]}")
        if depth > MOST_NESTED:
            raise MalformedBody(f"the body is nested deeper than {MOST_NESTED}", hint=_FLAT)


def _strings_of(value: object) -> int:
    """How many strings JSON without repeats has for ``value``."""
    if isinstance(value, str):
        return 1
    if isinstance(value, list):
        return sum(map(_strings_of, value))
    if isinstance(value, dict):
        return sum(1 + _strings_of(each) for each in value.values())
    return 0


def _check_repeats(text: bytes) -> None:
    """Refuses names that occur twice in one object; the fast parser accepts them silently.

    Raises: InvalidFields for a repeated name, MalformedBody for input that only this slower parser refuses.
    """
    try:
        json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise MalformedBody("the body is not usual JSON") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidFields(f"{twice[:60]} was sent twice", hint="Send several values as an array.")
    return found
