"""Reads request bodies: JSON, forms and raw pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, HTTPConnection, Request

from perkie_cli.domain.errors import Interrupted
from perkie_cli.domain.json_shape import LONG
from perkie_cli.http.answer.problems import UnsupportedMediaType
from perkie_cli.http.limits.bodies import Body
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.fields import Fields
from perkie_cli.http.request.json_body import json_object
from perkie_cli.http.request.multipart import MultipartForm, urlencoded

P = ParamSpec("P")
T = TypeVar("T")


def media_type(request: Request) -> str:
    """The media type without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_fields(request: Request, max_image: int, unread: Collection[str] = ()) -> Fields:
    """The fields of a JSON object or a form. ``unread``: the fields of JSON that only ``picture_of`` will look at.

    Raises: MalformedBody, InvalidFields, UnsupportedMediaType, TooManyBytes.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        return await _multipart(request, max_image)
    if kind == "application/x-www-form-urlencoded":
        return await off_loop_if_large(request, urlencoded, await read_raw(request))
    if kind == "application/json" or kind.endswith("+json"):
        return Fields(await off_loop_if_large(request, json_object, await read_raw(request), unread))
    raise UnsupportedMediaType(
        f"a body of type {kind[:60] or 'unknown'!r} is not supported",
        hint="Send application/json or multipart/form-data.",
    )


async def read_raw(request: Request) -> bytes:
    """The whole body, of which the request keeps no copy.

    Raises: Interrupted when the client disconnects.
    """
    try:
        return b"".join([chunk async for chunk in request.stream() if chunk])
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error


async def _multipart(request: Request, max_image: int) -> Fields:
    form = MultipartForm(request.headers["content-type"], max_image)
    try:
        async for chunk in request.stream():
            form.feed(chunk)
    except ClientDisconnect as error:
        raise Interrupted("the client left while sending") from error
    return form.finish()


async def off_loop_if_large(
    request: HTTPConnection, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Runs ``function`` on the request's body or a part of it, in a thread if the body is large."""
    body: Body | None = request.scope.get("perkie.body")
    if body is None or body.size <= LONG:
        return function(*args, **kwargs)
    parts = parts_of(request)
    async with parts.parsing:
        return await parts.services.io.run(function, *args, **kwargs)


def keep_of_body(request: HTTPConnection, size: int) -> None:
    """Says that of the request's body only ``size`` bytes are still in memory."""
    body: Body | None = request.scope.get("perkie.body")
    if body is not None:
        body.keep(size)
