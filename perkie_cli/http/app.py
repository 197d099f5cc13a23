"""The app factory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import perkie_cli
from perkie_cli.bootstrap import Services
from perkie_cli.domain.errors import NotFound, PerkieError
from perkie_cli.domain.errors.wrong_value import reason
from perkie_cli.http.answer import removebg as removebg_answers
from perkie_cli.http.answer.document import PROBLEM, describe, description
from perkie_cli.http.answer.facts import header_names
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody, MethodNotAllowed
from perkie_cli.http.direct import Direct, direct_routes
from perkie_cli.http.limits.patience import Patience
from perkie_cli.http.middleware import Boundary, Context, Head, problem_response
from perkie_cli.http.parts import Parts, build_parts
from perkie_cli.http.request import origins
from perkie_cli.http.request.call import PROXY_PREFIX, signed
from perkie_cli.http.routes import (
    catalogue,
    cutouts,
    generate,
    health,
    images,
    ops,
    page,
    portrait,
    process,
    process_socket,
    removebg,
    storage,
    widget,
)
from perkie_cli.http.upkeep import Upkeep
from perkie_cli.http.warmup import warm_up_at_start
from perkie_cli.system.waiting import alongside

_EXPOSED = ["ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID", "traceparent"]
_ROLES: dict[str, tuple[APIRouter, ...]] = {
    "artistic": (
        generate.router,
        process.router,
        process_socket.router,
        storage.router,
        catalogue.router,
        images.router,
        page.router,
        portrait.router,
        portrait.files,
    ),
    "matting": (cutouts.router, removebg.router),
}
# Shopify's proxy does not forward WebSockets, and keeps no files.
_NOT_PROXIED = (health.router, ops.router, process_socket.router, portrait.files)


def create_app(services: Services, *, warming: bool = False, patience: Patience | None = None) -> FastAPI:
    """The app over ``services``, which it closes at shutdown; ``warming``: it warms up when it starts to serve.

    Raises: InvalidSetting; TypeError for the services of a command, which counts nothing.
    """
    if not services.is_server:
        raise TypeError("these services were built for a command: use profile=Profile.SERVER")
    parts = build_parts(services, patience or Patience())
    app = FastAPI(
        title="perkie",
        version=perkie_cli.__version__,
        summary="Cuts pets out of their photos and draws them.",
        description=description(services.settings),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        contact={"name": "Perkie Prints"},
        license_info={"name": "MIT", "identifier": "MIT"},
        responses={"default": {"description": "A problem", "content": PROBLEM}},
    )
    describe(app, parts.authenticator)
    app.state.parts, app.state.warming, app.state.upkeep = parts, warming, Upkeep(parts)
    _add_routes(app, parts)
    _add_error_handlers(app)
    _add_middleware(app, parts)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    async with AsyncExitStack() as ending:
        ending.push_async_callback(parts.services.aclose)
        await ending.enter_async_context(alongside(app.state.upkeep.run()))
        if app.state.warming:
            await ending.enter_async_context(alongside(warm_up_at_start(parts)))
        yield


def _add_routes(app: FastAPI, parts: Parts) -> None:
    proxied = parts.authenticator.proxy_secret is not None
    for router in _routers(parts):
        app.include_router(router)
        if proxied and router not in _NOT_PROXIED:
            behind = [Depends(signed)]
            app.include_router(router, prefix=PROXY_PREFIX, dependencies=behind, include_in_schema=False)
    if proxied:
        app.include_router(widget.router)


def _routers(parts: Parts) -> tuple[APIRouter, ...]:
    """Those of the server's role."""
    roles = _ROLES.values() if parts.settings.role == "all" else [_ROLES[parts.settings.role]]
    return (health.router, health.warmups, ops.router, *(router for routers in roles for router in routers))


def _add_middleware(app: FastAPI, parts: Parts) -> None:
    """The last one added is the outermost."""
    app.add_middleware(Direct, routes=direct_routes(_routers(parts)))
    app.add_middleware(Boundary, settings=parts.settings, bodies=parts.bodies, patience=parts.patience)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=parts.settings.origins,
        allow_origin_regex=origins.pattern(open_=parts.authenticator.open),
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=[*_EXPOSED, *removebg_answers.HEADERS, *header_names()],
        max_age=86400,
    )
    tracing = parts.services.settings.telemetry
    share = float(tracing.trace_share) if tracing.otlp_endpoint else 0
    app.add_middleware(Context, events=parts.services.events, trace_share=share)
    app.add_middleware(Head)


def _add_error_handlers(app: FastAPI) -> None:
    """Turns the framework's own errors into problems too; ours are left to ``Boundary``."""

    def answer(request: Request, error: PerkieError, headers: Any = None) -> Response:
        response = problem_response(error, request.scope)
        response.headers.update(headers or {})
        return response

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return answer(request, NotFound(f"there is no {request.url.path[:100]!r} here"))
        if error.status_code == 405:
            headers = {"Allow": (error.headers or {}).get("Allow", "").replace("GET", "GET, HEAD")}
            return answer(request, MethodNotAllowed(f"{request.method} is not allowed on this route"), headers)
        return answer(request, MalformedBody(str(error.detail)), error.headers)

    async def field_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        wrong = [f"{each['loc'][-1]}: {reason(each)}" for each in error.errors()[:5]]
        return answer(request, InvalidFields("; ".join(wrong)))

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, field_error)
