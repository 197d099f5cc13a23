"""``GET /``: the demo page."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, Response

from perkie_cli.domain.errors import NotFound
from perkie_cli.http.answer.document import problems

router = APIRouter(tags=["storefront"])
_KINDS = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
}
# Only the page's own scripts run; pictures may come from the bucket's signed links.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


@router.get(
    "/",
    operation_id="page",
    summary="Show the demo page",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems(400)},
)
async def page() -> Response:
    """A page to try the API."""
    return _file("index.html")


@router.get("/page/{name}", include_in_schema=False)
async def asset(name: str) -> Response:
    """The page's scripts and styles."""
    return _file(name)


def _file(name: str) -> Response:
    if name not in _KINDS:
        raise NotFound(f"there is no {name[:60]!r} here")
    return Response(_read(name), headers=_HEADERS, media_type=_KINDS[name])


@cache
def _read(name: str) -> bytes:
    return (resources.files("perkie_cli.http") / "page" / name).read_bytes()
