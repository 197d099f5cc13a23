"""A process from its body to its steps, for JSON, events and WebSocket alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from pydantic import BaseModel

from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.proof import Requester
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.http.answer.answers import cutout_outcome, quota_left, style_outcome
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import AcceptedFacts, DoneFacts, ProcessForm
from perkie_cli.http.request.call import Call, Repeat
from perkie_cli.http.request.fields import Fields, validated
from perkie_cli.http.request.inputs import generate_request, photo_in, requester_of, select_styles
from perkie_cli.services.shop.process import Accepted, CutoutResult, Step
from perkie_cli.services.shop.storefront import StyleResult
from perkie_cli.system.waiting import alongside

StepEvent = tuple[str, BaseModel]  # the name of an event and its body


@frozen
class Run:
    """The input of a process."""

    requester: Requester
    photo: Photo
    requests: list[GenerateRequest]


async def begin(call: Call, fields: Fields) -> Run:
    """Checks the body and the picture's header, so that errors still set the HTTP status.

    Raises: InvalidFields, UnknownStyle, BadInput, Forbidden, RateLimited.
    """
    _ = call.idempotency_key  # an invalid one raises now
    body = validated(ProcessForm, fields)
    requester = requester_of(call, body)
    if body.styles is not None and "strategy" in body.model_fields_set:
        raise InvalidFields("strategy and styles exclude each other", hint="Send the one that you mean.")
    if body.styles is None:
        styles = [style.id for style in body.strategy.at_once(call.parts.services.styles)]
    else:
        styles = select_styles(call, body.styles)
    photo = await photo_in(call, fields, body.image_hash, requester)
    return Run(requester, photo, [generate_request(requester, photo, style) for style in styles])


async def step_events(call: Call, run: Run) -> AsyncGenerator[StepEvent, None]:
    """The names and bodies of ``accepted``, ``cutout``, each ``style`` and ``done``."""
    succeeded = False
    async with aclosing(_steps(call, run)) as steps:
        async for step in steps:
            if isinstance(step, Accepted):
                yield (
                    "accepted",
                    AcceptedFacts(image_hash=step.hash, styles=list(step.styles), request_id=call.request_id),
                )
            elif isinstance(step, CutoutResult):
                succeeded = succeeded or step.cutout is not None
                yield "cutout", await cutout_outcome(call, step)
            else:
                succeeded = succeeded or step.drawn is not None
                yield "style", await style_outcome(call, step)
    quota = await quota_left(call, run.requester.charge)
    yield "done", DoneFacts(success=succeeded, quota=quota, request_id=call.request_id)


async def _steps(call: Call, run: Run) -> AsyncGenerator[Step, None]:
    """Yields each step as it ends; for a repeated ``Idempotency-Key``, all of them when the first request is done."""
    process, owner = call.parts.services.process, run.requester.owner
    clock = call.parts.services.clock
    deadline = Deadline.after(call.parts.settings.process_deadline.total_seconds(), clock.monotonic())
    ended: asyncio.Queue[Step | None] = asyncio.Queue()

    async def work() -> list[Step]:
        steps: list[Step] = []
        left = deadline.remaining(clock.monotonic())  # another server may have held the key
        async with aclosing(process(run.photo, owner, run.requests, left)) as each:
            async for step in each:
                steps.append(step)
                ended.put_nowait(step)
        return steps

    payload = (run.photo.hash, tuple(each.style for each in run.requests))
    sent = 0
    async with alongside(call.once(work, Repeat(owner, payload, _weight))) as working:
        working.add_done_callback(lambda _: ended.put_nowait(None))
        while (step := await ended.get()) is not None:
            sent += 1
            yield step
        for step in working.result()[sent:]:
            yield step


def _weight(steps: Sequence[Step]) -> int | None:
    weight = 0
    for step in steps:
        if isinstance(step, CutoutResult):
            if step.cutout is None:
                return None
            weight += len(step.cutout.picture.data)
        elif isinstance(step, StyleResult):
            if step.drawn is None:
                return None
            weight += len(step.drawn.picture.master.data)
    return weight
