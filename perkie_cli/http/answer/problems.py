"""The error tree as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import math
from typing import Any

from perkie_cli.domain.errors import NotAuthorised, PerkieError
from perkie_cli.domain.frozen import frozen

MEDIA_TYPE = "application/problem+json"
_DEFAULT_WAIT = 5.0  # seconds, for a retryable 503 without its own


class InternalError(PerkieError):
    """A bug: the caller only gets the request id."""


class MalformedBody(PerkieError):
    """The body is not valid JSON, form data or picture data."""

    exit_code, http_status = 2, 400


class InvalidFields(PerkieError):
    """The body or the query has the right form, but a field is missing or wrong."""

    exit_code, http_status = 3, 422


class MethodNotAllowed(PerkieError):
    """The route exists, with other methods."""

    exit_code, http_status = 2, 405


class RequestTooSlow(PerkieError):
    """The head or the body came too slowly, or not at all."""

    exit_code, http_status, retryable = 2, 408, True


class EmptyUpload(PerkieError):
    """A file without content: phones send one when the photo has moved since it was chosen."""

    exit_code, http_status, retryable = 3, 422, True


class MalformedHead(PerkieError):
    """The request is not HTTP, or its headers contradict each other."""

    exit_code, http_status = 2, 400


class HeadTooLarge(PerkieError):
    """Too many bytes or lines of headers."""

    exit_code, http_status = 2, 431


class NotAcceptable(PerkieError):
    """None of the media types that the caller accepts is available."""

    exit_code, http_status = 2, 406


class RangeNotSatisfiable(PerkieError):
    """The requested range starts after the end."""

    exit_code, http_status = 2, 416


class UnsupportedMediaType(PerkieError):
    """A body of a type that the route does not read."""

    exit_code, http_status = 3, 415


@frozen
class Problem:
    """One answer: status, headers and the JSON object."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def problem(error: PerkieError, request_id: str) -> Problem:
    """The problem for ``error``, as the caller of request ``request_id`` sees it."""
    body: dict[str, Any] = {
        "type": f"urn:perkie:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.http_status,
        "detail": "The service cannot do this at the moment." if error.hidden else error.message,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.hint and not error.hidden:
        body["hint"] = error.hint
    headers = {"Cache-Control": "no-store"}
    wait = error.retry_after
    if wait is None and error.retryable and error.http_status == 503:
        wait = _DEFAULT_WAIT
    if wait is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
        body["retry_after"] = max(1, math.ceil(wait))
    if isinstance(error, UnsupportedMediaType):
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, NotAuthorised) and error.http_status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="perkie"'
    return Problem(error.http_status, headers, body)
