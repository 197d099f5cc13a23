"""``POST /api/v2/process``: cut out, then drawn, told as it goes; and its WebSocket twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from perkie_cli.domain.errors import DeadlineExceeded, PerkieError
from perkie_cli.domain.generation import GenerateRequest
from perkie_cli.domain.proof import Requester
from perkie_cli.domain.strategy import Strategy
from perkie_cli.http.accept import EVENT_STREAM, JSON, negotiate
from perkie_cli.http.answers import cutout_outcome, json_answer, quota_facts, style_outcome, told_problem
from perkie_cli.http.auth.principal import Scope
from perkie_cli.http.bodies import Fields, read_fields, validated
from perkie_cli.http.call import Call, calling
from perkie_cli.http.inputs import generate_request, requester_of, select_styles, source_of
from perkie_cli.http.life import stopping
from perkie_cli.http.middleware import unexpected
from perkie_cli.http.schemas import COSTLY, AcceptedFacts, DoneFacts, ProcessAnswer, ProcessBody, body_of, problems
from perkie_cli.http.sse import event, with_keep_alive
from perkie_cli.imaging import codec
from perkie_cli.services.process import Accepted, CutoutEnd
from perkie_cli.services.storefront import Source

router = APIRouter()
KEEP_ALIVE_EVERY = 10.0  # seconds
Told = tuple[str, BaseModel]


@router.post(
    "/api/v2/process",
    operation_id="process",
    response_model=ProcessAnswer,
    responses={200: {"content": {EVENT_STREAM: {}}}, **problems(*COSTLY, 404)},
    openapi_extra=body_of(ProcessBody, file_field="image"),
)
async def process(request: Request, call: Annotated[Call, Depends(calling(Scope.GENERATE))]) -> Response:
    """Cuts a pet out and draws it. `Accept: text/event-stream` tells each step as it ends."""
    kind = negotiate(request.headers.get("accept"), (JSON, EVENT_STREAM))
    fields = await read_fields(request, call.parts.settings.max_image)
    steps = steps_told(call, await begin(call, fields))
    deadline = call.parts.settings.process_deadline
    if kind == JSON:
        return json_answer(await call.run(whole(call, steps), deadline))
    cut = asyncio.ensure_future(_cut(call, deadline.total_seconds()))
    stream = with_keep_alive(as_events(call, steps), KEEP_ALIVE_EVERY, cut)
    return StreamingResponse(stream, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, EVENT_STREAM)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that a process starts from."""

    requester: Requester
    source: Source
    request: GenerateRequest
    styles: list[str]


async def begin(call: Call, fields: Fields) -> Run:
    """Checks the body and the picture's header, so that what is wrong is told by the status.

    Raises: InvalidFields, UnknownStyle, BadInput, Forbidden, RateLimited.
    """
    services = call.parts.services
    body = validated(ProcessBody, fields.values)
    requester = requester_of(call, body)
    if body.styles is None:
        styles = [style.id for style in Strategy(body.strategy).at_once(services.styles)]
    else:
        styles = select_styles(call, body.styles)
    source = await source_of(call, fields, body.image_hash, requester)
    codec.inspect(source.data, services.limits, source.name)
    deadline = call.parts.settings.process_deadline.total_seconds()
    return Run(requester, source, generate_request(call, requester, "", deadline), styles)


async def steps_told(call: Call, run: Run) -> AsyncGenerator[Told, None]:
    """The names and bodies of ``accepted``, ``cutout``, each ``style`` and ``done``."""
    services = call.parts.services
    succeeded = False
    async with aclosing(services.process(run.source, run.request, run.styles)) as steps:
        async for step in steps:
            if isinstance(step, Accepted):
                yield (
                    "accepted",
                    AcceptedFacts(image_hash=step.hash, styles=list(step.styles), request_id=call.request_id),
                )
            elif isinstance(step, CutoutEnd):
                succeeded = succeeded or step.cutout is not None
                yield "cutout", await cutout_outcome(call, step)
            else:
                succeeded = succeeded or step.drawn is not None
                yield "style", await style_outcome(call, step)
    quota = quota_facts(await services.quotas.status(run.requester.charge))
    yield "done", DoneFacts(success=succeeded, quota=quota, request_id=call.request_id)


async def whole(call: Call, steps: AsyncGenerator[Told, None]) -> ProcessAnswer:
    """All steps in one answer."""
    told: dict[str, list[Any]] = {"accepted": [], "cutout": [], "style": [], "done": []}
    async with aclosing(steps) as each:
        async for name, body in each:
            told[name].append(body)
    accepted, done = told["accepted"][0], told["done"][0]
    order = {style: place for place, style in enumerate(accepted.styles)}
    return ProcessAnswer(
        success=done.success,
        image_hash=accepted.image_hash,
        cutout=told["cutout"][0],
        results=sorted(told["style"], key=lambda outcome: order[outcome.style]),
        quota=done.quota,
        request_id=call.request_id,
    )


async def as_events(call: Call, steps: AsyncGenerator[Told, None]) -> AsyncGenerator[bytes, None]:
    """Server-sent events; whatever goes wrong on the way is the last, ``error``."""
    number = 0
    async with aclosing(steps) as each:
        try:
            async for name, body in each:
                number += 1
                yield event(name, body.model_dump(mode="json"), number)
        except Exception as error:  # noqa: BLE001  # the status is out already: a bug must be told in the stream
            known = error if isinstance(error, PerkieError) else unexpected(call.request.scope, error)
            yield event("error", told_problem(call, known).model_dump(mode="json"), number + 1)


async def _cut(call: Call, seconds: float) -> bytes:
    """Done when the stream has to end before its time: at its deadline, or with the server."""
    error: PerkieError = stopping()
    try:
        await asyncio.wait_for(call.parts.life.ended(), seconds)
    except TimeoutError:
        error = DeadlineExceeded(f"not done within {seconds:g} s", hint="What is done is kept: ask again.")
    return event("error", told_problem(call, error).model_dump(mode="json"), 0)
