"""The widget ``<perkie-portrait>``: its files, for pages of any origin, and what it must know of this server."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from perkie_cli.http.answer.answers import json_answer
from perkie_cli.http.answer.document import problems
from perkie_cli.http.answer.schemas import StyleFacts, WidgetAnswer
from perkie_cli.http.parts import parts_of
from perkie_cli.http.static_files import find, folder, version

files = APIRouter(tags=["storefront"])
router = APIRouter(tags=["storefront"])
# Module scripts are fetched with CORS, from shops of any origin; the files are the same for everybody.
_SHARED = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_FOREVER = {**_SHARED, "Cache-Control": "public, max-age=31536000, immutable"}
_FOR_NOW = {**_SHARED, "Cache-Control": "public, max-age=300"}
_UNCACHED = {**_SHARED, "Cache-Control": "no-store"}


@router.get(
    "/api/v1/widget",
    operation_id="widget",
    summary="Tell the widget what is offered and accepted",
    response_model=WidgetAnswer,
    responses=problems(400),
)
async def settings(request: Request) -> Response:
    """Whether shops show the widget, the styles, and what a photo must be."""
    parts = parts_of(request)
    answer = json_answer(
        WidgetAnswer(
            enabled=parts.settings.widget,
            version=version("widget"),
            min_side=parts.services.limits.min_side,
            max_bytes=parts.settings.max_image,
            styles=[StyleFacts.of(each) for each in parts.services.styles.all()],
        )
    )
    answer.headers["Cache-Control"] = "public, max-age=60"  # how long a shop shows it after it was switched off
    return answer


@files.get("/widget/{version_or_name}/{path:path}", include_in_schema=False)
async def versioned(request: Request, version_or_name: str, path: str) -> Response:
    """A file at its immutable address. Another version, of a server before or after this one, leads to ours."""
    if version_or_name == version("widget"):
        return find("widget", path).answer(request, _FOREVER)
    if (whole := f"{version_or_name}/{path}") in folder("widget"):
        return _to_ours(request, whole, _FOR_NOW)
    return _to_ours(request, path, _UNCACHED)


@files.get("/widget/{name}", include_in_schema=False)
async def current(request: Request, name: str) -> Response:
    """Leads to the version of now: the address that a theme can keep."""
    return _to_ours(request, name, _FOR_NOW)


def _to_ours(request: Request, path: str, headers: dict[str, str]) -> Response:
    find("widget", path)
    below = request.url.path.partition("/widget/")[2].count("/")
    return Response(status_code=307, headers={**headers, "Location": f"{'../' * below}{version('widget')}/{path}"})
