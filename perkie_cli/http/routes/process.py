"""``POST /api/v2/process``: cuts out, then draws, in one answer or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.errors import DeadlineExceeded, PerkieError
from perkie_cli.http.answer.answers import inner_problem, json_answer
from perkie_cli.http.answer.document import COSTLY, LAST_EVENT_ID, body_of, content_of, problems
from perkie_cli.http.answer.schemas import ProcessAnswer, ProcessBody, ProcessEvent, ProcessForm
from perkie_cli.http.answer.sse import END, HOW_TO_END, event, with_keep_alive
from perkie_cli.http.limits.shutdown import server_stops
from perkie_cli.http.request.accept import EVENT_STREAM, JSON, negotiate
from perkie_cli.http.request.bodies import read_fields
from perkie_cli.http.request.call import GRACE, Call, calling
from perkie_cli.http.request.fields import PICTURE_FIELDS
from perkie_cli.http.steps import StepEvent, begin, step_events
from perkie_cli.system.waiting import first_of

router = APIRouter(tags=["drawing"])
KEEP_ALIVE_EVERY = 10.0  # seconds


@router.post(
    "/api/v2/process",
    operation_id="process",
    summary="Cut a pet out and draw it",
    response_model=ProcessAnswer,
    responses={
        200: {"content": {EVENT_STREAM: content_of(ProcessEvent)}},
        204: {"description": "The stream named by `Last-Event-ID` has ended"},
        **problems(*COSTLY, 404),
    },
    openapi_extra=body_of(ProcessBody, ProcessForm, LAST_EVENT_ID, idempotent=True),
)
async def process(request: Request, call: Annotated[Call, Depends(calling(Scope.GENERATE))]) -> Response:
    """Cuts a pet out and draws it. `Accept: text/event-stream` streams each step as it ends.

    Close the connection at `done` or `error`. A client that reconnects automatically then sends `Last-Event-ID: end`
    and gets 204, which stops it.
    """
    if request.headers.get("last-event-id") == END:
        return Response(status_code=204)
    kind = negotiate(request.headers.get("accept"), (JSON, EVENT_STREAM))
    fields = await read_fields(request, call.parts.settings.max_image, PICTURE_FIELDS)
    steps = step_events(call, await begin(call, fields))
    deadline = call.parts.settings.process_deadline
    if kind == JSON:
        return json_answer(await call.work(lambda: whole(call, steps), deadline))
    cut = asyncio.ensure_future(_cut(call, deadline + GRACE))
    stream = with_keep_alive(as_events(call, steps), KEEP_ALIVE_EVERY, cut)
    return StreamingResponse(stream, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, EVENT_STREAM)


async def whole(call: Call, steps: AsyncGenerator[StepEvent, None]) -> ProcessAnswer:
    """All steps in one answer."""
    events: dict[str, list[Any]] = {"accepted": [], "cutout": [], "style": [], "done": []}
    async with aclosing(steps) as each:
        async for name, body in each:
            events[name].append(body)
    accepted, done = events["accepted"][0], events["done"][0]
    order = {style: place for place, style in enumerate(accepted.styles)}
    return ProcessAnswer(
        success=done.success,
        image_hash=accepted.image_hash,
        cutout=events["cutout"][0],
        results=sorted(events["style"], key=lambda outcome: order[outcome.style]),
        quota=done.quota,
        request_id=call.request_id,
    )


async def as_events(call: Call, steps: AsyncGenerator[StepEvent, None]) -> AsyncGenerator[bytes, None]:
    """The steps as server-sent events; a failure becomes the last one, ``error``."""
    number = 0
    yield HOW_TO_END
    async with aclosing(steps) as each:
        try:
            async for name, body in each:
                number += 1
                yield event(name, body.model_dump(mode="json"), END if name == "done" else number)
        except Exception as error:  # noqa: BLE001  # the status is out already: a bug must be reported in the stream
            yield event("error", inner_problem(call.request.scope, error).model_dump(mode="json"), END)


async def _cut(call: Call, limit: timedelta) -> bytes:
    """A task that ends when the stream must be cut: at its deadline or at shutdown."""
    seconds, over = limit.total_seconds(), call.parts.shutdown.over()
    error: PerkieError = server_stops()
    await first_of(over, seconds=seconds)
    if not over.done():
        error = DeadlineExceeded(f"not done within {seconds:g} s", hint="What is done is kept: ask again.")
    return event("error", inner_problem(call.request.scope, error).model_dump(mode="json"), END)
