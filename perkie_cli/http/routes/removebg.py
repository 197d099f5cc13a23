"""``POST /v1.0/removebg`` and ``GET /v1.0/account`` in the shape of the public remove.bg API.

Its documented parameters are taken (https://www.remove.bg/api): ``image_file``, ``image_file_b64``, ``type``,
``size``, ``format``, ``bg_color``, ``bg_image_file``, ``crop``, ``crop_margin``, ``channels``. ``image_url`` and
``bg_image_url`` are refused: this server fetches nothing from addresses that strangers name. Problems below
``/v1.0/`` carry that API's ``errors`` besides (``problems.problem``), since its clients read them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
import pybase64
from fastapi import APIRouter, Depends, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.cutouts.request import Background, CutoutOutput, CutoutRequest, Framing
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.http.answer.document import COSTLY, PICTURES, problems
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import RemovebgFacts, RemovebgForm
from perkie_cli.http.request.accept import JSON
from perkie_cli.http.request.bodies import Fields, picture_of, read_fields
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.request.inputs import as_backdrop, as_photo

router = APIRouter(tags=["cutting out"])
_MARGIN = re.compile(r"(\d{1,3}(?:\.\d+)?)%?(?:px)?")
_FAST_SIZES = {"preview", "small", "regular"}  # remove.bg's quarter-megapixel sizes
_FORM = RemovebgForm.model_json_schema()
_DATA = {"schema": {"type": "object", "required": ["data"], "properties": {"data": RemovebgFacts.model_json_schema()}}}
_NO_URLS = ("image_url", "bg_image_url")


@router.post(
    "/v1.0/removebg",
    operation_id="removebg",
    summary="Remove a background as remove.bg does",
    response_class=Response,
    responses={
        200: {"description": "The cut-out", "content": {JSON: _DATA, **PICTURES["content"]}},
        **problems(*COSTLY),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": _FORM} for kind in ("multipart/form-data", "application/x-www-form-urlencoded", JSON)
            },
        }
    },
)
async def removebg(request: Request, call: Annotated[Call, Depends(calling(Scope.MATTING))]) -> Response:
    """Removes the background as the remove.bg API does."""
    settings = call.parts.settings
    wanted = await _cutout_request(call, await read_fields(request, settings.max_image))
    cutout = await call.run(call.parts.services.cutouts(wanted), settings.cutout_deadline)
    return _answer(cutout, as_json=JSON in request.headers.get("accept", ""))


@router.get(
    "/v1.0/account",
    operation_id="removebg_account",
    summary="Tell remove.bg's clients of their credits",
    responses=problems(401, 403),
)
async def account(call: Annotated[Call, Depends(calling(Scope.MATTING, costly=False))]) -> dict[str, Any]:
    """What remove.bg's clients ask before they start: here nothing is counted in credits."""
    del call
    credits_ = {"total": 0, "subscription": 0, "payg": 0, "enterprise": 0}
    return {"data": {"attributes": {"credits": credits_, "api": {"free_calls": 0, "sizes": "all"}}}}


async def _cutout_request(call: Call, fields: Fields) -> CutoutRequest:
    """Raises: InvalidFields, InvalidParameter, UsageError, MalformedBody, TooManyBytes."""
    values, most = fields.values, call.parts.settings.max_image
    if any(values.get(name) for name in _NO_URLS):
        raise InvalidFields("addresses are not fetched here", hint="Send the picture as image_file or image_file_b64.")
    upload = picture_of(fields, ("image_file", "image_file_b64"), most)
    if upload is None:
        raise InvalidFields("no image given", hint="Send image_file or image_file_b64.")
    output = CutoutOutput.MASK if _text(values, "channels") == "alpha" else CutoutOutput.RGBA
    return CutoutRequest(
        await as_photo(call, upload),
        mode="fast" if _text(values, "size") in _FAST_SIZES else None,
        output=output,
        background=await _background(call, fields),
        framing=Framing(_text(values, "crop") in ("true", "1"), _margin(_text(values, "crop_margin"))),
        format=_format(_text(values, "format")),
        deadline=call.parts.settings.cutout_deadline.total_seconds(),
    )


def _text(values: dict[str, Any], name: str) -> str:
    return str(values.get(name) or "").strip().lower()


async def _background(call: Call, fields: Fields) -> Background:
    if "bg_image_file" in fields.files:
        return Background.of_picture(await as_backdrop(call, fields.files["bg_image_file"]))
    colour = _text(fields.values, "bg_color")
    if not colour:
        return Background()
    return Background.parse(colour if colour.startswith("#") or not _is_hex(colour) else f"#{colour[:6]}")


def _is_hex(text: str) -> bool:
    return len(text) in (3, 6, 8) and all(digit in "0123456789abcdef" for digit in text)


def _margin(text: str) -> float:
    """Percent; the API's pixel margins have no counterpart, its one-for-all percentage has."""
    if not text:
        return 0.0
    match = _MARGIN.fullmatch(text)
    if match is None or text.endswith("px"):
        raise InvalidParameter(f"crop_margin {text[:30]!r} is no percentage such as 10%")
    return float(match[1])


def _format(text: str) -> ImageFormat:
    if text in ("", "auto", "png"):
        return ImageFormat.PNG
    if text in ("jpg", "jpeg", "webp"):
        return ImageFormat.JPEG if text.startswith("j") else ImageFormat.WEBP
    raise InvalidParameter(f"format {text[:30]!r} is not made here", hint="Formats: auto, png, jpg, webp.")


def _answer(cutout: Cutout, *, as_json: bool) -> Response:
    picture = cutout.picture
    headers = {
        "X-Width": str(picture.width),
        "X-Height": str(picture.height),
        "X-Type": "animal",
        "X-Credits-Charged": "0",
        "X-Perkie-Engine": cutout.engine,
        "Cache-Control": "private, no-store",
    }
    if not as_json:
        return Response(picture.data, 200, headers, picture.format.media_type)
    facts = {
        "result_b64": pybase64.b64encode_as_string(picture.data),
        "foreground_top": 0,
        "foreground_left": 0,
        "foreground_width": picture.width,
        "foreground_height": picture.height,
    }
    return Response(orjson.dumps({"data": facts}), 200, headers, JSON)
