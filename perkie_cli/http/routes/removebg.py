"""``POST /v1.0/removebg`` and ``GET /v1.0/account`` in the shape of the public remove.bg API.

What its parameters mean stands in ``request.removebg``, what is answered in ``answer.removebg``, and what is left out
in docs/http.md.
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
from perkie_cli.http.request.bodies import read_fields
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.request.inputs import as_backdrop, as_photo
from perkie_cli.http.request.removebg import RemovebgError, parse, within
from perkie_cli.imaging import codec
from perkie_cli.services.cutouts.laid_out import Finished, Order, finish

router = APIRouter(tags=["cutting out"])
PLENTY = 1_000_000.0  # credits: nothing is counted here, and clients that look first must not take that for none


@router.post(
    "/v1.0/removebg",
    operation_id="removebg",
    summary="Remove a background as remove.bg does",
    response_class=Response,
    **removebg_operation(body=True),
)
async def removebg(request: Request, call: Annotated[Call, Depends(calling(Scope.MATTING))]) -> Response:
    """Removes the background as the remove.bg API does."""
    settings = call.parts.settings
    wanted = parse(await read_fields(request, settings.max_image), settings.max_image)
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
    """The file, the cut-out behind it, and how many px of the ``width`` one of the cut-out's stands for.

    Raises: RemovebgError where no subject was found.
    """
    services = call.parts.services
    raster, cutout = await services.cutouts.raster(request)
    finished = await services.workers.run(finish, raster, order, services.limits)
    if finished is None:
        raise RemovebgError("unknown_foreground", "no foreground was found in the picture")
    return finished, cutout, width / raster.width


def _wants_json(accept: str | None) -> bool:
    """Whether JSON is liked better than a picture; a header that allows neither is not held against the caller."""
    try:
        return negotiate(accept, (*IMAGES, JSON)) == JSON
    except NotAcceptable:
        return False


@router.get(
    "/v1.0/account",
    operation_id="removebg_account",
    summary="Tell remove.bg's clients of their credits",
    response_model=RemovebgAccount,
    **removebg_operation(),
)
async def account(call: Annotated[Call, Depends(calling(Scope.MATTING, costly=False))]) -> RemovebgAccount:
    """What remove.bg's clients ask before they start: here nothing is counted in credits, and plenty are left."""
    del call
    return RemovebgAccount.plenty(PLENTY)
