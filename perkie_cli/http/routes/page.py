"""``GET /``: the demo page, which holds the widget."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Request, Response

from perkie_cli.http.answer.document import problems
from perkie_cli.http.middleware import extra_headers
from perkie_cli.http.static_files import StaticFile, find, version

router = APIRouter(tags=["storefront"])
# Only the page's own scripts run; pictures may come from the bucket's signed links. The form is for old browsers.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}


@router.get(
    "/",
    operation_id="page",
    summary="Show the demo page",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems(400)},
)
async def page(request: Request) -> Response:
    """A page to try the API."""
    extra_headers(request.scope)["Referrer-Policy"] = "same-origin"  # else a form's origin is null, which we refuse
    return _page().answer(request, _HEADERS)


@router.get("/page/{name}", include_in_schema=False)
async def asset(request: Request, name: str) -> Response:
    """The page's scripts and styles."""
    return find("page", name).answer(request, _HEADERS)


@cache
def _page() -> StaticFile:
    text = find("page", "index.html").data.replace(b"{version}", version("widget").encode())
    return StaticFile.of(text, ".html")
