"""The short way to a route: a look-up by its path, its caller, its function.

A framework's search through all routes, its solver of dependencies and its stacks for clean-up cost a third of what an
answer from the cache costs. Routes whose only dependency is their caller need none of that; the framework still has
them for the document and for Shopify's proxy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from perkie_cli.domain.frozen import frozen
from perkie_cli.http.request.call import Call


@frozen
class DirectRoute:
    """``caller`` is the dependency that ``calling`` made, ``answer`` the route's function."""

    route: APIRoute
    caller: Callable[[Request], Awaitable[Call]]
    answer: Callable[..., Awaitable[Response]]


def direct_routes(routers: Iterable[APIRouter]) -> Mapping[tuple[str, str], DirectRoute]:
    """By method and path, the routes of fixed paths whose functions take ``request`` and ``call`` and nothing else."""
    found: dict[tuple[str, str], DirectRoute] = {}
    for route in (each for router in routers for each in router.routes if isinstance(each, APIRoute)):
        needs = route.dependant
        values = (needs.path_params, needs.query_params, needs.header_params, needs.cookie_params, needs.body_params)
        names = {needs.request_param_name, *(each.name for each in needs.dependencies)}
        if names == {"request", "call"} and not any(values):
            caller, answer = needs.dependencies[0].call, route.endpoint
            assert caller is not None, "a dependency is a function"
            found |= {(method, route.path): DirectRoute(route, caller, answer) for method in route.methods or ()}
    return found


class Direct:
    """ASGI. Errors are left to ``Boundary``."""

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], DirectRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes the request on."""
        direct = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if direct is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = direct.route
        request = Request(scope, receive, send)
        response = await direct.answer(request=request, call=await direct.caller(request))
        await response(scope, receive, send)
