"""``GET /images/{token}``: stored pictures by links that expire."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from perkie_cli.domain.errors import NotFound
from perkie_cli.http.answer.document import PICTURES, problems
from perkie_cli.http.answer.problems import RangeNotSatisfiable
from perkie_cli.http.answer.ranges import Unsatisfiable, matches, parse_range
from perkie_cli.http.middleware import problem_response
from perkie_cli.http.parts import parts_of
from perkie_cli.ports import Blob

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
    """A stored picture. The token is the credential; forged, expired and dangling ones are all alike not found."""
    parts = parts_of(request)
    now = parts.services.clock.now()
    opened = parts.links.open(token, now)
    blob = await parts.services.blobs.get(opened[0]) if opened else None
    if opened is None or blob is None:
        raise NotFound("this link does not lead to a picture any more", hint="Ask for the picture again.")
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
    """The whole or the range asked for; a range for another version (If-Range) is the whole."""
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
