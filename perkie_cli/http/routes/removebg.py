"""``POST /v1.0/removebg`` and ``GET /v1.0/account``, compatible with the public remove.bg API.

``request.removebg`` has its parameters, ``answer.removebg`` its answers; docs/http.md lists the unsupported parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.http.answer.document import removebg_operation
from perkie_cli.http.answer.problems import NotAcceptable
from perkie_cli.http.answer.removebg import removebg_answer
from perkie_cli.http.answer.removebg_schemas import RemovebgAccount
from perkie_cli.http.request.accept import IMAGES, JSON, negotiate
from perkie_cli.http.request.bodies import keep_of_body, off_loop_if_large, read_fields
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.request.inputs import as_backdrop, as_photo
from perkie_cli.http.request.removebg import RemovebgError, parse, within
from perkie_cli.imaging import codec
from perkie_cli.services.cutouts.laid_out import Finished, Order, finish

router = APIRouter(tags=["cutting out"])
PLENTY = 1_000_000.0  # credits: perkie counts none, but clients that check first must not think that none are left


@router.post(
    "/v1.0/removebg",
    operation_id="removebg",
    summary="Remove a background, compatible with remove.bg",
    response_class=Response,
    **removebg_operation(body=True),
)
async def removebg(request: Request, call: Annotated[Call, Depends(calling(Scope.MATTING))]) -> Response:
    """Removes the background like the remove.bg API."""
    settings = call.parts.settings
    fields = await read_fields(request, settings.max_image)
    wanted = await off_loop_if_large(request, parse, fields, settings.max_image)
    del fields  # and with it the text of the picture
    keep_of_body(request, sum(len(each.data) for each in (wanted.upload, wanted.backdrop) if each is not None))
    photo = await as_photo(call, wanted.upload)
    seen = codec.inspect(photo.data, call.parts.services.limits, photo.name)
    layout = replace(wanted.order.layout, region=within(wanted.region, seen.width, seen.height))
    picture = await as_backdrop(call, wanted.backdrop) if wanted.backdrop else None
    order = replace(wanted.order, layout=layout, picture=picture)
    deadline = settings.cutout_deadline
    cutting = CutoutRequest(photo, mode="fast" if wanted.fast else None, deadline=deadline.total_seconds())
    finished, cutout, scale = await call.work(lambda: _made(call, cutting, order, seen.width), deadline)
    as_json = _wants_json(request.headers.get("accept"))
    return removebg_answer(finished, cutout, wanted.type, scale=scale, as_json=as_json)


async def _made(call: Call, request: CutoutRequest, order: Order, width: int) -> tuple[Finished, Cutout, float]:
    """The file, its cut-out, and the px of the original ``width`` per px of the cut-out.

    Raises: RemovebgError if no subject was found.
    """
    services = call.parts.services
    raster, cutout = await services.cutouts.raster(request)
    finished = await services.workers.run(finish, raster, order, services.limits)
    if finished is None:
        raise RemovebgError("unknown_foreground", "no foreground was found in the picture")
    return finished, cutout, width / raster.width


def _wants_json(accept: str | None) -> bool:
    """Whether the caller prefers JSON to a picture; a header that allows neither is ignored."""
    try:
        return negotiate(accept, (*IMAGES, JSON)) == JSON
    except NotAcceptable:
        return False


@router.get(
    "/v1.0/account",
    operation_id="removebg_account",
    summary="Show credits to remove.bg's clients",
    response_model=RemovebgAccount,
    **removebg_operation(),
)
async def account(call: Annotated[Call, Depends(calling(Scope.MATTING, costly=False))]) -> RemovebgAccount:
    """The account that remove.bg's clients check before they start: perkie counts no credits, so plenty are left."""
    del call
    return RemovebgAccount.plenty(PLENTY)
