"""The WebSocket twin of ``POST /api/v2/process``, for clients that prefer it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.errors import DeadlineExceeded
from perkie_cli.http.answer.answers import inner_problem
from perkie_cli.http.limits.shutdown import server_stops
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.bodies import json_object
from perkie_cli.http.request.call import GRACE, authenticated
from perkie_cli.http.request.fields import Fields
from perkie_cli.http.steps import StepEvent, begin, step_events
from perkie_cli.system.waiting import alongside, first_of

router = APIRouter()
FIRST_MESSAGE_WITHIN = 60.0  # seconds: a phone may send a photo slowly


@router.websocket("/api/v2/process")
async def process_over_websocket(socket: WebSocket) -> None:
    """The same steps as messages ``{"event": …, "data": …}``.

    The client's first message is the body of the POST. Browsers cannot send headers with the handshake, so a key or
    token may be in that message as ``token``.
    """
    await socket.accept()
    async with alongside(_talk(socket)) as talking:
        await first_of(talking, parts_of(socket).shutdown.over())
        if not talking.done():
            await _send(socket, "error", inner_problem(socket.scope, server_stops()))
    with suppress(RuntimeError, WebSocketDisconnect):  # the client may have closed it first
        await socket.close()


async def _talk(socket: WebSocket) -> None:
    """Handles the socket from the first message to the last; a failure becomes the last message, ``error``."""
    try:
        text = await _first_message(socket)
        async with parts_of(socket).bodies.hold(len(text)):
            await _tell_steps(socket, json_object(text))
    except WebSocketDisconnect:
        pass  # the client left: closing the steps has released everything they held
    except Exception as error:  # noqa: BLE001  # the last boundary of a socket: a bug must be reported, not swallowed
        await _send(socket, "error", inner_problem(socket.scope, error))


async def _first_message(socket: WebSocket) -> str | bytes:
    """The client's request.

    Raises: DeadlineExceeded when none comes, WebSocketDisconnect.
    """
    try:
        message = await asyncio.wait_for(socket.receive(), FIRST_MESSAGE_WITHIN)
    except TimeoutError as error:
        raise DeadlineExceeded(f"no message came within {FIRST_MESSAGE_WITHIN:g} s") from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | bytes = message.get("text") or message.get("bytes") or ""
    return text


async def _tell_steps(socket: WebSocket, values: dict[str, Any]) -> None:
    token = str(values.pop("token", ""))
    call = authenticated(socket, {"authorization": f"Bearer {token}"} if token else socket.headers)
    call.principal.require(Scope.GENERATE)
    call.admit()
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
