"""``POST /api/v1/generate`` and ``batch-generate``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.http.answer.answers import KINDS, generated_answer, json_answer, quota_left, style_outcome
from perkie_cli.http.answer.document import COSTLY, PICTURES, body_of, problems
from perkie_cli.http.answer.schemas import BatchAnswer, BatchBody, BatchForm, GenerateAnswer, GenerateBody, GenerateForm
from perkie_cli.http.request.accept import negotiate
from perkie_cli.http.request.bodies import read_fields
from perkie_cli.http.request.call import Call, Repeat, calling
from perkie_cli.http.request.fields import PICTURE_FIELDS, validated
from perkie_cli.http.request.inputs import generate_request, photo_in, requester_of, select_styles
from perkie_cli.services.shop.storefront import StoredPicture, StyleResult

router = APIRouter(tags=["drawing"])
Caller = Annotated[Call, Depends(calling(Scope.GENERATE))]


@router.post(
    "/api/v1/generate",
    operation_id="generate",
    summary="Draw a picture in one style",
    response_model=GenerateAnswer,
    responses={200: PICTURES, **problems(*COSTLY, 404)},
    openapi_extra=body_of(GenerateBody, GenerateForm, idempotent=True),
)
async def generate(request: Request, call: Caller) -> Response:
    """Draws a pet in a style, or finds the picture in the cache. `Accept: image/*` returns the picture itself."""
    settings, storefront = call.parts.settings, call.parts.services.storefront
    kind = negotiate(request.headers.get("accept"), KINDS)
    fields = await read_fields(request, settings.max_image, PICTURE_FIELDS)
    body = validated(GenerateForm, fields)
    requester = requester_of(call, body)
    photo = await photo_in(call, fields, body.image_hash, requester)
    deadline, since = settings.generate_deadline, call.parts.services.clock.monotonic()
    cut_out, background = body.remove_background, body.background
    wanted = generate_request(
        requester, photo, body.style, deadline, since=since, remove_background=cut_out, background=background
    )
    repeat = Repeat(requester.owner, (photo.hash, body.style, cut_out, background), _weight)
    drawn = await call.work(lambda: storefront.draw(wanted), deadline, repeat)
    return await generated_answer(call, drawn, kind)


@router.post(
    "/api/v1/batch-generate",
    operation_id="batch_generate",
    summary="Draw a picture in several styles",
    response_model=BatchAnswer,
    responses=problems(*COSTLY, 404),
    openapi_extra=body_of(BatchBody, BatchForm, idempotent=True),
)
async def batch_generate(request: Request, call: Caller) -> Response:
    """Draws a pet in several styles concurrently; a failure does not affect the others."""
    settings, services = call.parts.settings, call.parts.services
    fields = await read_fields(request, settings.max_image, PICTURE_FIELDS)
    body = validated(BatchForm, fields)
    requester = requester_of(call, body)
    styles = select_styles(call, body.styles)
    photo = await photo_in(call, fields, body.image_hash, requester)
    deadline, since = settings.process_deadline, services.clock.monotonic()
    cut_out, background = body.remove_background, body.background
    wanted = [
        generate_request(
            requester, photo, style, deadline, since=since, remove_background=cut_out, background=background
        )
        for style in styles
    ]

    async def all_of_them() -> list[StyleResult]:
        async with aclosing(services.storefront.draw_all(photo, requester.owner, wanted)) as ends:
            return [end async for end in ends]

    repeat = Repeat(requester.owner, (photo.hash, tuple(styles), cut_out, background), _weight_of_all)
    ends = await call.work(all_of_them, deadline, repeat)
    ends = sorted(ends, key=lambda end: styles.index(end.style))
    answer = BatchAnswer(
        success=any(end.drawn for end in ends),
        results=[await style_outcome(call, end) for end in ends],
        quota=await quota_left(call, requester.charge),
        request_id=call.request_id,
    )
    return json_answer(answer)


def _weight(drawn: StoredPicture) -> int:
    return len(drawn.picture.master.data)


def _weight_of_all(ends: Sequence[StyleResult]) -> int | None:
    drawn = [end.drawn for end in ends if end.drawn is not None]
    return sum(map(_weight, drawn)) if len(drawn) == len(ends) else None
