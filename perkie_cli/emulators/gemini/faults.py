"""Applies a fault to one call: to the answer's content, or to the connection."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.gemini import answers
from perkie_cli.emulators.gemini.painter import MEDIA_TYPE, small_picture
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiFaultKind
from perkie_cli.emulators.http_server import Response, Wire
from perkie_cli.ports import Clock

DRAFT_SIDES = (256, 320)  # px
DRIPS = 20  # pieces of a dripping answer


@frozen
class FaultyCall:
    """One ``generateContent`` to answer: ``good`` makes the answer without a fault.

    ``counts`` are the tokens of an answer with a picture, ``spent`` of one without; ``form`` converts an answer to its
    form on the wire. A request inside a job has no ``wire``, and meets no fault that needs one.
    """

    model: str
    counts: Mapping[str, Any]
    spent: Mapping[str, Any]
    good: Callable[[], Awaitable[Response]]
    wire: Wire | None
    form: Callable[[Response], Response]


async def answer_with(fault: GeminiFault, call: FaultyCall, clock: Clock, rng: random.Random) -> Response | None:
    """The faulty answer, or None when the connection is finished."""
    if fault.kind in (GeminiFaultKind.OUTAGE, GeminiFaultKind.ERROR, GeminiFaultKind.OVERLOADED):
        return _refusal(fault)
    if fault.kind in (
        GeminiFaultKind.SLOW,
        GeminiFaultKind.HANG,
        GeminiFaultKind.DRIP,
        GeminiFaultKind.RESET,
        GeminiFaultKind.TRUNCATED,
    ):
        return await _on_the_wire(fault, call, clock, rng)
    return await _content(fault, call, rng)


def _refusal(fault: GeminiFault) -> Response:
    if fault.kind is GeminiFaultKind.OVERLOADED:
        return answers.error(429, "You exceeded your current quota.", retry_after=fault.retry_after)
    status = 503 if fault.kind is GeminiFaultKind.OUTAGE else fault.status
    return answers.error(status, "The emulator was told to fail.", retry_after=fault.retry_after)


async def _on_the_wire(fault: GeminiFault, call: FaultyCall, clock: Clock, rng: random.Random) -> Response | None:
    assert call.wire is not None, "a call of its own"
    if fault.kind is GeminiFaultKind.RESET:
        call.wire.reset()
        return None
    if fault.kind is GeminiFaultKind.HANG:
        await asyncio.Event().wait()
    response = await call.good()
    if fault.kind is GeminiFaultKind.SLOW:
        await clock.sleep(fault.seconds)
        return response
    data = call.form(response).bytes()
    if fault.kind is GeminiFaultKind.TRUNCATED:
        await call.wire.send(data[: rng.randrange(len(data) // 4, len(data) - 1)])
        call.wire.cut()
        return None
    step = max(1, -(-len(data) // DRIPS))
    for start in range(0, len(data), step):
        await call.wire.send(data[start : start + step])
        await clock.sleep(fault.seconds / DRIPS)
    call.wire.cut()
    return None


async def _content(fault: GeminiFault, call: FaultyCall, rng: random.Random) -> Response:
    how = fault.variety(rng)
    if fault.kind is GeminiFaultKind.CORRUPT:
        return Response.of(answers.picture(_spoilt(how, rng), MEDIA_TYPE, call.counts, call.model))
    if fault.kind is GeminiFaultKind.EMPTY:
        return Response.of(_empty(how, call))
    if fault.kind is GeminiFaultKind.BLOCKED:
        make = answers.blocked_prompt if how == "prompt" else answers.candidate
        return Response.of(make(fault.reason, call.spent, call.model))
    if fault.kind is GeminiFaultKind.DRAFTS:
        return _with_drafts(await call.good(), how)
    if how == "html":
        return Response(body=b"<html><body>Something went wrong</body></html>", content_type="text/html")
    if how == "shape":
        return Response.of({"candidates": {"finishReason": 7, "content": [1, 2, 3]}})
    whole = (await call.good()).body
    return Response(body=whole[: len(whole) // 2])


def _with_drafts(good: Response, how: str) -> Response:
    """Text and two drafts before the final picture: drafts marked as thoughts, none marked, or all marked."""
    body = json.loads(good.body)
    if good.status != 200:
        return good
    content = body["candidates"][0]["content"]
    drafts = [answers.picture_part(small_picture(side), MEDIA_TYPE) for side in DRAFT_SIDES]
    before = [{"text": "A draft first."}, *drafts]
    if how != "plain":
        before = [{**part, "thought": True} for part in before]
    final = [{**part, "thought": True} if how == "all_thought" else part for part in content["parts"]]
    content["parts"] = [*before, *final]
    return Response.of(body)


def _spoilt(how: str, rng: random.Random) -> bytes:
    if how == "noise":
        return rng.randbytes(5000)
    return small_picture(64) if how == "small" else small_picture(512)[:-2000]


def _empty(how: str, call: FaultyCall) -> dict[str, Any]:
    if how == "object":
        return {}
    if how == "content":
        return answers.candidate("STOP", call.spent, call.model)
    if how == "zero":
        return answers.picture(b"", MEDIA_TYPE, call.counts, call.model)
    return answers.candidate("STOP", call.spent, call.model, [{"text": "I cannot draw that."}])
