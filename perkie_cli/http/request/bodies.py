"""Reads request bodies: JSON, forms and raw pictures, into validated values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from perkie_cli.domain.errors import Interrupted
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody, UnsupportedMediaType
from perkie_cli.http.request.image_field import check_size, decode_image_field

M = TypeVar("M", bound=BaseModel)
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Upload:
    """A file from a form or a raw body."""

    data: bytes
    name: str  # the field's or file's, for messages


@dataclass(frozen=True, slots=True)
class Fields:
    """A body as named values; ``files`` only come from multipart forms."""

    values: dict[str, Any]
    files: dict[str, Upload]


def media_type(request: Request) -> str:
    """Without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_fields(request: Request, max_image: int) -> Fields:
    """JSON objects and forms alike.

    Raises: MalformedBody, UnsupportedMediaType, TooManyBytes.
    """
    kind = media_type(request)
    if kind in _FORMS:
        return await _form(request, max_image)
    if kind == "application/json" or kind.endswith("+json"):
        return Fields(json_object(await read_raw(request)), {})
    raise UnsupportedMediaType(
        f"a body of type {kind[:60] or 'unknown'!r} is not read here",
        hint="Send application/json or multipart/form-data.",
    )


async def read_raw(request: Request) -> bytes:
    """The whole body.

    Raises: Interrupted when the client leaves meanwhile.
    """
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error


def json_object(raw: bytes | str) -> dict[str, Any]:
    """Raises: MalformedBody."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedBody("the body is not a JSON object")
    return value


async def _form(request: Request, max_image: int) -> Fields:
    try:
        form = await request.form(
            max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS, max_part_size=max_image * 4 // 3 + 1024
        )
    except (MultiPartException, ValueError, LookupError) as error:
        raise MalformedBody("the form does not read", hint="Send multipart/form-data as browsers do.") from error
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error
    try:
        return await _split(form, max_image)
    finally:
        await form.close()


async def _split(form: FormData, max_image: int) -> Fields:
    values: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            called = (value.filename or name)[:120]
            check_size(value.size or 0, max_image, called)
            files[name] = Upload(await value.read(), called)
        else:
            values[name] = value
    return Fields(values, files)


def validated(model: type[M], values: dict[str, Any]) -> M:
    """The model over ``values``.

    Raises: InvalidFields with one sentence that names every wrong field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg'].lower()}" for each in error.errors()[:5]]
        raise InvalidFields("; ".join(wrong)) from error


def picture_of(fields: Fields, names: Sequence[str], max_image: int) -> Upload | None:
    """The picture under the first of ``names`` that is there: an uploaded file, base64 or a data URL.

    Raises: MalformedBody, InvalidFields, TooManyBytes.
    """
    for name in names:
        if name in fields.files:
            return fields.files[name]
        value = fields.values.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidFields(f"{name}: not a string")
        if value is not None:
            return Upload(decode_image_field(value, max_image, name), name)
    return None
