"""Reads request bodies: JSON, forms and raw pictures."""

from __future__ import annotations

import json
from typing import Any

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from perkie_cli.domain.errors import Interrupted
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody, UnsupportedMediaType
from perkie_cli.http.request.fields import Fields, Upload
from perkie_cli.http.request.image_field import check_size

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_MOST_FIELDS = 64
_BOM = b"\xef\xbb\xbf"  # Windows editors and PowerShell put it at the start of files


def media_type(request: Request) -> str:
    """The media type without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_fields(request: Request, max_image: int) -> Fields:
    """The fields of a JSON object or a form.

    Raises: MalformedBody, InvalidFields, UnsupportedMediaType, TooManyBytes.
    """
    kind = media_type(request)
    if kind in _FORMS:
        return await _form(request, max_image)
    if kind == "application/json" or kind.endswith("+json"):
        return Fields(json_object(await read_raw(request)))
    raise UnsupportedMediaType(
        f"a body of type {kind[:60] or 'unknown'!r} is not supported",
        hint="Send application/json or multipart/form-data.",
    )


async def read_raw(request: Request) -> bytes:
    """The whole body.

    Raises: Interrupted when the client disconnects.
    """
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error


def json_object(raw: bytes | str) -> dict[str, Any]:
    """The members of a JSON object, with or without a byte order mark before it.

    Raises: MalformedBody, InvalidFields for a name that occurs twice.
    """
    text = (raw.encode() if isinstance(raw, str) else raw).removeprefix(_BOM)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody("the body is not a JSON object")
    if len(value) > _MOST_FIELDS:
        raise InvalidFields(f"{len(value)} fields were sent; at most {_MOST_FIELDS} are read")
    if _more_quotes(text, than=_quotes(value)):  # a name that occurs twice leaves two over; so does an escape, rarely
        _check_repeats(text)
    return value


def _quotes(value: object) -> int:
    """How many quotation marks JSON without repeats and escapes has around the strings of ``value``."""
    if isinstance(value, str):
        return 2
    if isinstance(value, list):
        return sum(map(_quotes, value))
    if isinstance(value, dict):
        return sum(2 + _quotes(each) for each in value.values())
    return 0


def _more_quotes(text: bytes, than: int) -> bool:
    """Whether ``text`` has more quotation marks. ``find`` leaps over a picture thirty times as fast as ``count``."""
    at = -1
    for _ in range(than + 1):
        at = text.find(b'"', at + 1)
        if at < 0:
            return False
    return True


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


async def _form(request: Request, max_image: int) -> Fields:
    try:
        form = await request.form(
            max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS, max_part_size=max_image * 4 // 3 + 1024
        )
    except (MultiPartException, ValueError, LookupError) as error:
        raise MalformedBody("the form is malformed", hint="Send multipart/form-data as browsers do.") from error
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error
    try:
        return await _split(form, max_image)
    finally:
        await form.close()


async def _split(form: FormData, max_image: int) -> Fields:
    fields = Fields()
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            called = (value.filename or name)[:120]
            check_size(value.size or 0, max_image, called)
            fields.add_file(name, Upload(await value.read(), called))
        else:
            fields.add_text(name, value)
    return fields
