"""The WebSocket twin of ``POST /api/v2/process``, for clients that prefer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.http.answer.answers import inner_problem
from perkie_cli.http.answer.problems import RequestTooSlow
from perkie_cli.http.limits.patience import PACE_BYTES
from perkie_cli.http.limits.shutdown import server_stops
from perkie_cli.http.middleware import as_problem, problem_response
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.bodies import off_loop_if_large
from perkie_cli.http.request.call import GRACE, Call, authenticated
from perkie_cli.http.request.fields import Fields
from perkie_cli.http.request.json_body import json_object
from perkie_cli.http.steps import StepEvent, begin, step_events
from perkie_cli.http.wire.websocket import GuardedWebSocket
from perkie_cli.system.waiting import alongside, first_of

router = APIRouter()


class ReadyFacts(BaseModel):
    """The data of ``ready``: the token is good, the body may come."""

    request_id: str


SUBPROTOCOL = "perkie"
_BEARER = "bearer."  # a second subprotocol, with a token: browsers cannot set headers


@router.websocket("/api/v2/process")
async def process_over_websocket(socket: WebSocket) -> None:
    """The same steps as messages ``{"event": …, "data": …}``.

    The client's first message is the body of the POST. Credentials come with the handshake, in a header or as the
    subprotocol ``bearer.TOKEN`` beside ``perkie``. Without any, the first message must be small and have the key or
    token as ``token``; if it has nothing else, it is answered by ``ready``, and the body comes in the next one.
    """
    try:
        call = _at_the_door(socket)
    except Exception as error:  # noqa: BLE001  # the last boundary of a handshake
        await socket.send_denial_response(problem_response(as_problem(error, socket.scope), socket.scope))
        return
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    async with alongside(_talk(socket, call)) as talking:
        await first_of(talking, parts_of(socket).shutdown.over())
        if not talking.done():
            await _send(socket, "error", inner_problem(socket.scope, server_stops()))
    with suppress(RuntimeError, WebSocketDisconnect):  # the client may have closed it first
        await socket.close()


def _at_the_door(socket: WebSocket) -> Call | None:
    """The call, if the handshake has credentials or none are needed.

    Raises: NotAuthorised, Forbidden, Unavailable, RateLimited.
    """
    tokens = [each for each in socket.scope["subprotocols"] if each.startswith(_BEARER)]
    if tokens:
        return _let_in(socket, _bearer(tokens[0].removeprefix(_BEARER)))
    if parts_of(socket).authenticator.open or {"authorization", "x-api-key"} & set(socket.headers):
        return _let_in(socket, socket.headers)
    return None


def _let_in(socket: WebSocket, credentials: Mapping[str, str]) -> Call:
    call = authenticated(socket, credentials)
    call.principal.require(Scope.GENERATE)
    call.admit()
    socket.scope["perkie.body"] = _wire(socket).trust(call.address)
    return call


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _wire(socket: WebSocket) -> GuardedWebSocket:
    wire: GuardedWebSocket = socket.scope["perkie.socket"]
    return wire


async def _talk(socket: WebSocket, call: Call | None) -> None:
    """Handles the socket from the first message to the last; a failure becomes the last message, ``error``."""
    try:
        patience = parts_of(socket).patience
        values = await _message(socket, patience.body if call is not None else patience.token, patience.pace)
        token = str(values.pop("token", ""))
        was_known = call is not None
        if call is None or token:
            call = _let_in(socket, _bearer(token) if token else socket.headers)
        if not (was_known or values):
            await _send(socket, "ready", ReadyFacts(request_id=call.request_id))
            values = await _message(socket, patience.body, patience.pace)
        await _tell_steps(socket, call, values)
    except WebSocketDisconnect:
        pass  # the client left: closing the steps has released everything they held
    except Exception as error:  # noqa: BLE001  # the last boundary of a socket: a bug must be reported, not swallowed
        await _send(socket, "error", inner_problem(socket.scope, error))


async def _message(socket: WebSocket, within: float, pace: float) -> dict[str, Any]:
    """The client's next message, which must keep up a pace once it has begun.

    Raises: MalformedBody, InvalidFields, RequestTooSlow, WebSocketDisconnect.
    """
    wire, loop = _wire(socket), asyncio.get_running_loop()
    end = loop.time() + within
    async with alongside(socket.receive()) as receiving:
        while not receiving.done():
            before = wire.arrived
            await first_of(receiving, seconds=min(pace, max(0.0, end - loop.time())))
            slow = wire.in_message and wire.arrived - before < PACE_BYTES
            if not receiving.done() and (slow or loop.time() >= end):
                raise RequestTooSlow(f"the message did not arrive within {pace if slow else within:g} s")
        message = receiving.result()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    return await off_loop_if_large(socket, json_object, message.get("text") or message.get("bytes") or "")


async def _tell_steps(socket: WebSocket, call: Call, values: dict[str, Any]) -> None:
    run = await begin(call, Fields(values))
    seconds = (call.parts.settings.process_deadline + GRACE).total_seconds()
    async with alongside(_left(socket)) as gone, alongside(_send_all(socket, step_events(call, run))) as telling:
        await first_of(telling, gone, seconds=seconds)
        if telling.done():
            telling.result()
        elif not gone.done():
            raise DeadlineExceeded(f"not done within {seconds:g} s", hint="What is done is kept: ask again.")


async def _left(socket: WebSocket) -> None:
    """Returns when the client disconnects or sends anything more, which ends the request."""
    await socket.receive()


async def _send_all(socket: WebSocket, steps: AsyncGenerator[StepEvent, None]) -> None:
    async with aclosing(steps) as each:
        async for name, body in each:
            await _send(socket, name, body)


async def _send(socket: WebSocket, name: str, body: BaseModel) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # the client may be gone already
        await socket.send_text(orjson.dumps({"event": name, "data": body.model_dump(mode="json")}).decode())
