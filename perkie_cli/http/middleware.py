"""Middleware for every request, as plain ASGI: request ids and metrics, then body limits and the error boundary."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import secrets
import time
from urllib.parse import quote

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perkie_cli.auth.peer import client_address
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import PerkieError, out_of_memory
from perkie_cli.domain.events import Answered, Arrived
from perkie_cli.domain.frozen import frozen
from perkie_cli.http.answer.problems import MEDIA_TYPE, InternalError, MalformedBody, UnsupportedMediaType, problem
from perkie_cli.http.answer.removebg import PREFIX as REMOVEBG
from perkie_cli.http.answer.removebg import removebg_problem
from perkie_cli.http.limits.arrival import Arrival, check_length
from perkie_cli.http.limits.bodies import Bodies
from perkie_cli.http.limits.patience import Patience
from perkie_cli.ports import EventSink
from perkie_cli.system.current_request import CurrentRequest, serving

log = logging.getLogger("perkie.http")
_LONGEST_PATH = 300  # characters of a path in the log
_TOKEN = re.compile(r"(?i)(images?[^/]*/+).+|[^/]{25,}")  # perhaps one of a link, in a path that leads nowhere
_NO_ROUTE = "unmatched"
_LENGTH = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@frozen
class RequestIds:
    """The ids that connect log lines, traces and support questions with one request."""

    request_id: str
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits, ours
    flags: str  # 2 hex digits
    parent_id: str | None = None  # the caller's span

    @property
    def traceparent(self) -> str:
        """The header for the answer and for calls on behalf of the request."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def request_ids(request_id: str | None, traceparent: str | None, *, sampled: bool = False) -> RequestIds:
    """The ids from ``X-Request-ID`` and ``traceparent`` (W3C Trace Context §3.2); new ones if these are unusable.

    ``sampled``: whether a new trace is recorded; of a given one the caller decides.
    """
    given = request_id if request_id and _ID.fullmatch(request_id) else secrets.token_hex(16)
    match = _PARENT.fullmatch(traceparent or "")
    if match is None:
        return RequestIds(given, secrets.token_hex(16), secrets.token_hex(8), "01" if sampled else "00")
    return RequestIds(given, match[1], secrets.token_hex(8), match[3], match[2])


def ids_of(scope: Scope) -> RequestIds:
    """The ids that ``Context`` gave the request."""
    ids: RequestIds = scope["perkie.ids"]
    return ids


def extra_headers(scope: Scope) -> dict[str, str]:
    """Headers for the answer, whoever makes it; filled while the request is processed."""
    headers: dict[str, str] = scope["perkie.headers"]
    return headers


def problem_response(error: PerkieError, scope: Scope) -> Response:
    """The error as the answer to the request of ``scope``."""
    request_id = ids_of(scope).request_id
    if scope["path"].startswith((REMOVEBG, f"/apps/perkie{REMOVEBG}")):
        answer = removebg_problem(error, request_id)
        return Response(orjson.dumps(answer.body), answer.status, answer.headers, "application/json")
    answer = problem(error, request_id)
    return Response(orjson.dumps(answer.body), answer.status, answer.headers, MEDIA_TYPE)


class Head:
    """Answers HEAD like GET without the body, on every route that has GET (RFC 9110 §9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        whole = [(name, value) for name, value in scope["headers"] if name != b"range"]  # ranges are for GET only
        await self._app({**scope, "method": "GET", "headers": whole}, receive, send_head)


class Context:
    """Sets the request's ids, adds common headers to the answer, and tells of its beginning and end."""

    def __init__(self, app: ASGIApp, events: EventSink, trace_share: float = 0) -> None:
        """``trace_share`` of the requests whose caller does not say whether they are traced."""
        self._app = app
        self._events = events
        self._trace_share = trace_share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sampled = self._trace_share > 0 and random.random() < self._trace_share  # noqa: S311 -- no secret
        ids = request_ids(headers.get("x-request-id"), headers.get("traceparent"), sampled=sampled)
        scope["perkie.ids"], scope["perkie.headers"] = ids, {}
        status = 0
        began = time.perf_counter()
        request = CurrentRequest(
            ids.request_id,
            ids.trace_id,
            span_id=ids.span_id,
            parent_id=ids.parent_id,
            sampled=ids.flags[-1] in "13579bdf",
        )

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                common = {"X-Request-ID": ids.request_id, "traceparent": ids.traceparent, **_SAFE}
                MutableHeaders(scope=message).update({**common, **extra_headers(scope)})
            await send(message)

        with serving(request):
            self._events.emit(Arrived())
            try:
                await self._app(scope, receive, send_with_ids)
            finally:
                route = getattr(scope.get("route"), "path", None)
                status = status or (101 if scope["type"] == "websocket" else 499)
                method, seconds = scope.get("method", "WS"), time.perf_counter() - began
                self._events.emit(Answered(method, route or _NO_ROUTE, status, seconds, route or _shown(scope)))


class Boundary:
    """Limits the size, memory and pace of bodies while they stream in, and turns every error into a problem."""

    def __init__(self, app: ASGIApp, settings: HttpSettings, bodies: Bodies, patience: Patience) -> None:
        self._patience = patience
        self._app = app
        self._most = settings.max_body
        self._hops = settings.trusted_hops
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            headers = Headers(scope=scope)
            _check_encoding(headers)
            if self._has_body(headers):
                await self._with_body(scope, headers, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Exception as error:  # the last boundary: a bug must become a 500 without details
            answer = as_problem(error, scope)
            if started:
                raise  # too late for an answer: closing the connection tells the client
            await problem_response(answer, scope)(scope, receive, send)

    def _has_body(self, headers: Headers) -> bool:
        given = headers.get("content-length")
        if given is None:
            return "transfer-encoding" in headers
        if not _LENGTH.fullmatch(given):
            raise MalformedBody("Content-Length is not a length")
        check_length(int(given), self._most)
        return int(given) > 0

    async def _with_body(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        address = client_address(peer, ",".join(headers.getlist("x-forwarded-for")), self._hops)
        try:
            async with asyncio.timeout(None) as ending:
                arrival = Arrival(receive, self._bodies, address, self._most, ending, self._patience)
                with arrival as scope["perkie.body"]:
                    await self._app(scope, arrival.receive, send)
        except TimeoutError as error:
            if arrival.why is None:
                raise
            raise arrival.why from error


def _check_encoding(headers: Headers) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(
            f"a body in {encoding[:30]!r} encoding is not supported", hint="Send it uncompressed: pictures are already."
        )


def as_problem(error: Exception, scope: Scope) -> PerkieError:
    """The error for the caller; logs a line. A bug's traceback goes to the log, nothing of it to the caller."""
    if isinstance(error, PerkieError):
        note(scope, error)
        return error
    if too_little := out_of_memory(error, "for this work"):
        note(scope, too_little)
        return too_little
    log.error("%s failed", _where(scope), exc_info=error)
    return InternalError("an unexpected error", hint="Report it with the request id.")


def note(scope: Scope, error: PerkieError) -> None:
    """Logs the error with the details that the caller does not get."""
    ours = error.http_status >= 500
    advice = f" ({error.hint})" if ours and error.hint else ""
    level = logging.WARNING if ours else logging.INFO
    log.log(level, "%s: %s: %s%s", _where(scope), error.code, error.message, advice)


def _where(scope: Scope) -> str:
    """The route for the log, not the path: an image's token is a credential, and a path could break the line."""
    return f"{scope.get('method', 'WS')} {getattr(scope.get('route'), 'path', None) or _shown(scope)}"


def _shown(scope: Scope) -> str:
    return _TOKEN.sub(r"\1…", quote(scope["path"][:_LONGEST_PATH]))
