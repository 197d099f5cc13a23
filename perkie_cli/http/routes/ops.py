"""``GET /ops``: one screen of this process for whoever is on call, drawn from ``/metrics``."""

from __future__ import annotations

import os
import socket
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

import perkie_cli
from perkie_cli.auth.principal import Scope
from perkie_cli.domain.errors import NotAuthorised
from perkie_cli.http.answer.answers import json_answer
from perkie_cli.http.answer.document import problems
from perkie_cli.http.answer.operation_schemas import RecentAnswer, Substitute
from perkie_cli.http.request.accept import JSON, negotiate
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.routes.page import POLICY
from perkie_cli.http.static_files import find

router = APIRouter(tags=["operations"])
_HTML = "text/html"
_HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
_caller = calling(Scope.METRICS, costly=False)


@router.get(
    "/ops",
    operation_id="ops",
    summary="Show the screen for whoever is on call",
    response_class=Response,
    responses={200: {"content": {_HTML: {"schema": {"type": "string"}}}}, **problems(401, 403, 422)},
)
async def ops(request: Request) -> Response:
    """A page that shows this process's metrics. A browser that sends no credential gets it too, to ask for a key."""
    shell = find("ops", "index.html")
    try:
        await _caller(request)
    except NotAuthorised as error:
        if negotiate(request.headers.get("accept"), (JSON, _HTML)) == JSON:
            raise
        return shell.answer(request, _HEADERS, error.http_status)
    return shell.answer(request, _HEADERS)


@router.get(
    "/ops/recent",
    operation_id="recent",
    summary="Tell which process this is and its last substitutes",
    response_model=RecentAnswer,
    responses=problems(401, 403, 422),
)
async def recent(call: Annotated[Call, Depends(_caller)]) -> Response:
    """Which process this is, and the last twenty substitutes that customers got; newest first."""
    services = call.parts.services
    return json_answer(
        RecentAnswer(
            instance=f"{socket.gethostname()}/{os.getpid()}",
            revision=services.environ.get("K_REVISION"),
            version=perkie_cli.__version__,
            now=services.clock.now(),
            substitutes=[
                Substitute(
                    at=at, style=each.style, engine=each.engine, step=each.step, reason=each.reason, cause=each.cause
                )
                for at, each in reversed(services.counting.substitutes)
            ],
        )
    )


@router.get("/ops/{name}", include_in_schema=False)
async def asset(request: Request, name: str) -> Response:
    """The page's script and style, which hold no figures."""
    return find("ops", name).answer(request, _HEADERS)
