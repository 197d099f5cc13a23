"""Reads a JSON object that nobody has to trust."""

from __future__ import annotations

import json
from typing import Any

import orjson

from perkie_cli.domain.json_shape import Misshapen, count_strings
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody

MOST_FIELDS = 64
MOST_AROUND = 16 * 1024  # bytes of JSON around its strings
_BOM = b"\xef\xbb\xbf"  # Windows editors and PowerShell put it at the start of files
_FLAT = "Send flat JSON: a few fields with short values, and pictures as base64."


def json_object(raw: bytes | str) -> dict[str, Any]:
    """The members of a JSON object, with or without a byte order mark before it.

    Raises: MalformedBody, also for more than a request can mean; InvalidFields for a name that occurs twice.
    """
    text = (raw.encode() if isinstance(raw, str) else raw).removeprefix(_BOM)
    try:
        strings = count_strings(text, MOST_AROUND)
        value = orjson.loads(text)
    except Misshapen as error:
        raise MalformedBody(f"the body is not JSON that is read here: {error}", hint=_FLAT) from error
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody("the body is not a JSON object")
    if len(value) > MOST_FIELDS:
        raise InvalidFields(f"{len(value)} fields were sent; at most {MOST_FIELDS} are read")
    if strings != _strings_of(value):  # a name that occurs twice is missing
        _check_repeats(text)
    return value


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
