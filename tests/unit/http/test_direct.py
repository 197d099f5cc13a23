from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, Request, Response
from starlette.types import Message, Receive, Scope, Send

from perkie_cli.auth.principal import Scope as Permission
from perkie_cli.http.direct import Direct, direct_routes
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.routes import generate, health, images, process

Caller = Annotated[Call, Depends(calling(Permission.GENERATE))]


def test_only_routes_that_need_nothing_but_their_caller_are_direct() -> None:
    found = direct_routes([generate.router, process.router, images.router, health.router])
    assert set(found) == {
        ("POST", "/api/v1/generate"),
        ("POST", "/api/v1/batch-generate"),
        ("POST", "/api/v2/process"),
    }


def test_a_query_a_path_and_another_dependency_take_the_long_way() -> None:
    router = APIRouter()

    @router.get("/a")
    async def with_query(request: Request, call: Caller, deep: bool = False) -> Response:
        return Response()

    @router.get("/b/{name}")
    async def with_path(request: Request, call: Caller, name: str) -> Response:
        return Response()

    @router.get("/c", dependencies=[Depends(lambda: None)])
    async def with_another(request: Request, call: Caller) -> Response:
        return Response()

    @router.get("/d")
    async def without_caller(request: Request) -> Response:
        return Response()

    assert direct_routes([router]) == {}


@pytest.mark.parametrize(
    ("method", "path", "kind", "direct"),
    [
        ("POST", "/api/v1/generate", "http", True),
        ("GET", "/api/v1/generate", "http", False),
        ("POST", "/api/v1/generate/", "http", False),
        ("POST", "/apps/perkie/api/v1/generate", "http", False),
        ("POST", "/api/v1/generate", "websocket", False),
    ],
)
async def test_the_direct_way_is_for_the_very_method_and_path(method: str, path: str, kind: str, direct: bool) -> None:
    went: list[str] = []

    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        went.append("framework")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    app = Direct(framework, direct_routes([generate.router]))
    scope = {"type": kind, "method": method, "path": path, "headers": [], "query_string": b""}
    if direct:
        with pytest.raises(KeyError):  # the route's caller asks for the app, which is not there
            await app(scope, receive, send)
        assert scope["route"].path == path  # type: ignore[attr-defined]  # for metrics and the log
    else:
        await app(scope, receive, send)
    assert went == ([] if direct else ["framework"])
