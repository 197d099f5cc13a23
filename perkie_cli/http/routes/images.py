"""``GET /images/{token}``: stored pictures by links that expire, with ranges and validators (RFC 9110 §13 and §14)."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from perkie_cli.domain.errors import NotFound
from perkie_cli.http.answer.document import PICTURES, problems
from perkie_cli.http.answer.problems import RangeNotSatisfiable
from perkie_cli.http.middleware import problem_response
from perkie_cli.http.parts import parts_of
from perkie_cli.ports import Blob

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
router = APIRouter(tags=["storefront"])


@router.get(
    "/images/{token}",
    operation_id="image",
    summary="Fetch a stored picture",
    response_class=Response,
    responses={
        200: {"description": "The picture", **PICTURES},
        206: {"description": "A part of it", **PICTURES},
        304: {"description": "Unchanged"},
        **problems(404, 416, 503),
    },
)
async def image(request: Request, token: str) -> Response:
    """A stored picture. The token is the credential; forged, expired and dangling ones all give 404."""
    parts = parts_of(request)
    now = parts.services.clock.now()
    opened = parts.links.open(token, now)
    blob = await parts.services.blobs.get(opened[0]) if opened else None
    if opened is None or blob is None:
        raise NotFound("this link no longer leads to a picture", hint="Ask for the picture again.")
    age = max(0, int((opened[1] - now).total_seconds()))
    headers = {
        "ETag": f'"{blob.info.sha256}"',
        "Cache-Control": f"private, max-age={age}, immutable",
        "Accept-Ranges": "bytes",
        "Content-Disposition": "inline",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, 304, headers)
    return _part_of(blob, request, headers)


def _part_of(blob: Blob, request: Request, headers: dict[str, str]) -> Response:
    """The whole or the requested range; a range for another version (If-Range) gives the whole."""
    size, kind = len(blob.data), blob.info.content_type
    wanted = request.headers.get("range")
    if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        wanted = None
    try:
        part = parse_range(wanted, size)
    except Unsatisfiable:
        answer = problem_response(RangeNotSatisfiable(f"the picture has {size} bytes"), request.scope)
        answer.headers["Content-Range"] = f"bytes */{size}"
        return answer
    if part is None:
        return Response(blob.data, 200, headers, kind)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Response(blob.data[part.start : part.stop], 206, headers, kind)


class Unsatisfiable(ValueError):
    """The range starts after the end."""


def parse_range(header: str | None, size: int) -> range | None:
    """The requested positions; None for the whole: no header, several ranges, or an invalid one.

    Raises: Unsatisfiable.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":  # the last N bytes
        count = int(match[2])
        if count == 0 or size == 0:
            raise Unsatisfiable
        return range(max(0, size - count), size)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return range(first, min(last, size - 1) + 1)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller already has this version (weak comparison)."""
    if if_none_match is None:
        return False
    given = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in given or etag.removeprefix("W/") in given
