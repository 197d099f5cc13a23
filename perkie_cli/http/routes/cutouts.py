"""``POST /remove-background``: a picture in, its subject out."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.cutouts.request import (
    Background,
    BackgroundKind,
    CutoutOutput,
    CutoutRequest,
    Framing,
    parse_aspect,
)
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.http.answer.answers import picture_answer
from perkie_cli.http.answer.document import COSTLY, PICTURES, content_of, problems
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import CutoutForm
from perkie_cli.http.request.accept import IMAGES, image_format, negotiate
from perkie_cli.http.request.bodies import keep_of_body, media_type, off_loop_if_large, read_fields, read_raw
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.request.fields import Upload, picture_of, refuse_unknown
from perkie_cli.http.request.image_field import check_size
from perkie_cli.http.request.inputs import as_photo

router = APIRouter(tags=["cutting out"])
_FIELDS = ("image", "image_file", "file", "image_data")
_SEE_THROUGH = ("image/png", "image/webp")
_RAW = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": _RAW,
            **dict.fromkeys((*IMAGES, "image/heic"), _RAW),
            "multipart/form-data": content_of(CutoutForm),
        },
    }
}


@router.post(
    "/remove-background",
    operation_id="remove_background",
    summary="Remove a background",
    response_class=Response,
    responses={200: {"description": "The cut-out", **PICTURES}, **problems(*COSTLY)},
    openapi_extra=_BODY,
)
async def remove_background(
    request: Request,
    call: Annotated[Call, Depends(calling(Scope.MATTING))],
    mode: Annotated[
        Literal["base", "fast"] | None,
        Query(description="`base` is better, `fast` is faster; default: the server's setting."),
    ] = None,
    output: Annotated[Literal["rgba", "mask"], Query(description="The pet, or only its alpha.")] = "rgba",
    background: Annotated[str, Query(max_length=60, description="`transparent`, `blur` or `#rrggbb`.")] = "transparent",
    trim: Annotated[bool, Query(description="Crop to the subject.")] = False,
    margin: Annotated[float, Query(ge=0, le=100, description="Margin in percent of the subject's long side.")] = 0,
    aspect: Annotated[str | None, Query(max_length=20, description="`W:H`.", examples=["4:5"])] = None,
    format_: Annotated[
        Literal["png", "webp", "jpg"] | None, Query(alias="format", description="Before `Accept`.")
    ] = None,
    fallback: Annotated[
        Literal["builtin", "none"], Query(description="Engine to use when the usual one fails.")
    ] = "builtin",
) -> Response:
    """Removes the background. The facts are in `X-Perkie-*` headers."""
    upload = await read_picture(request, call.parts.settings.max_image)
    kind, behind = CutoutOutput(output), Background.parse(background)
    wanted = CutoutRequest(
        await as_photo(call, upload),
        mode=mode,
        output=kind,
        background=behind,
        framing=Framing(trim, margin, parse_aspect(aspect) if aspect else None),
        format=_format(request.headers.get("accept"), format_, kind, behind),
        fallback=fallback == "builtin",
        deadline=call.parts.settings.cutout_deadline.total_seconds(),
    )
    services = call.parts.services
    cutout = await call.work(lambda: services.cutouts(wanted), call.parts.settings.cutout_deadline)
    return picture_answer(cutout.picture, cutout.facts())


async def read_picture(request: Request, max_bytes: int) -> Upload:
    """The picture from a form, or the raw body itself.

    Raises: InvalidFields, MalformedBody, TooManyBytes.
    """
    kind = media_type(request)
    if kind.startswith("image/") or kind in ("application/octet-stream", ""):
        data = await read_raw(request)
        check_size(len(data), max_bytes, "the body")
        return Upload(data, "the body")
    fields = await read_fields(request, max_bytes)
    refuse_unknown([*fields.files, *fields.values], _FIELDS)
    upload = await off_loop_if_large(request, picture_of, fields, _FIELDS, max_bytes)
    if upload is None:
        raise InvalidFields("image: no picture was sent", hint="Send it as the form field `image` or as the raw body.")
    keep_of_body(request, len(upload.data))
    return upload


def _format(accept: str | None, named: str | None, output: CutoutOutput, background: Background) -> ImageFormat:
    """The format from ``format``, else from ``Accept``, limited to those that can hold the result."""
    if named is not None:
        return ImageFormat(named)
    see_through = output is CutoutOutput.RGBA and background.kind is BackgroundKind.TRANSPARENT
    offers = _SEE_THROUGH if see_through else ("image/png", "image/jpeg", "image/webp")
    return image_format(negotiate(accept, offers))
