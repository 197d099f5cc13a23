"""Reads a JSON object that nobody has to trust. A picture in it is left where it is, to be decoded without a copy."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Any

import orjson

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.json_shape import Misshapen, strings_in
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody

MOST_FIELDS = 64
UNREAD = 64 * 1024  # bytes of a string that may stay unread
MOST_AROUND = 16 * 1024  # bytes of JSON around its strings
_BOM = b"\xef\xbb\xbf"  # Windows editors and PowerShell put it at the start of files
_FLAT = "Send flat JSON: a few fields with short values, and pictures as base64."


@frozen
class Unread:
    """A string of a JSON text that was not parsed: base64 does not have to become text first."""

    text: bytes
    begin: int  # of its quotation marks
    end: int

    @property
    def content(self) -> memoryview:
        """What is between its quotation marks."""
        return memoryview(self.text)[self.begin + 1 : self.end]

    def read(self) -> str:
        """The string. Raises: MalformedBody."""
        try:
            string: str = orjson.loads(memoryview(self.text)[self.begin : self.end + 1])
        except orjson.JSONDecodeError as error:
            raise MalformedBody(f"the body is not JSON: {error}") from error
        return string


def json_object(raw: bytes | str, unread: Collection[str] = ()) -> dict[str, Any]:
    """The members of a JSON object, with or without a byte order mark before it.

    The longest string stays ``Unread`` if it is a member that is named in ``unread``, and long.

    Raises: MalformedBody, also for more than a request can mean; InvalidFields for a name that occurs twice.
    """
    text = (raw.encode() if isinstance(raw, str) else raw).removeprefix(_BOM)
    try:
        strings = strings_in(text, MOST_AROUND)
        value, picture = _parsed(text, strings, unread)
    except Misshapen as error:
        raise MalformedBody(f"the body is not JSON that is read here: {error}", hint=_FLAT) from error
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody("the body is not a JSON object")
    if len(value) > MOST_FIELDS:
        raise InvalidFields(f"{len(value)} fields were sent; at most {MOST_FIELDS} are read")
    if len(strings) != _strings_of(value):  # a name that occurs twice is missing
        _check_repeats(text)
    return value | picture


def _parsed(
    text: bytes, strings: Collection[tuple[int, int]], unread: Collection[str]
) -> tuple[Any, dict[str, Unread]]:
    """The value, and the string that was not read: in the value it has another one in its place."""
    begin, end = max(strings, key=lambda each: each[1] - each[0], default=(0, 0))
    if unread and end - begin > UNREAD:
        place = secrets.token_hex(8)
        value = orjson.loads(b'%b"%b"%b' % (text[:begin], place.encode(), text[end + 1 :]))
        for name in unread:
            if isinstance(value, dict) and value.get(name) == place:
                return value, {name: Unread(text, begin, end)}
    return orjson.loads(text), {}


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
