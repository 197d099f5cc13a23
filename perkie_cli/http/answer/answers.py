"""Turns results into answers: JSON, or the picture itself with the same facts in headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pybase64
from fastapi import Response
from pydantic import BaseModel
from starlette.types import Scope

from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.events import StoreFailed
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import NOT_KEPT, EncodedPicture
from perkie_cli.domain.pictures.cache_key import names_owner
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.quotas.limits import Charge, QuotaStatus
from perkie_cli.http.answer.facts import as_fields, as_headers
from perkie_cli.http.answer.problems import problem
from perkie_cli.http.answer.schemas import (
    CutoutAnswer,
    CutoutOutcome,
    GenerateAnswer,
    ProblemBody,
    QuotaFields,
    StyleOutcome,
)
from perkie_cli.http.middleware import as_problem, ids_of, note
from perkie_cli.http.request.accept import IMAGES, JSON, image_format
from perkie_cli.http.request.call import Call, behind_proxy
from perkie_cli.services.pictures.found import deliver
from perkie_cli.services.shop.process import CutoutResult
from perkie_cli.services.shop.storefront import StoredPicture, StyleResult

KINDS = (JSON, *IMAGES)  # media types of answers with one styled picture
_PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Accept"}


@frozen
class Link:
    """A link to a picture, valid until ``expires_at``; None for a data URL, which never expires."""

    url: str
    expires_at: datetime | None


async def link_to(call: Call, key: str) -> Link | None:
    """A link of ours, or the store's own signed one; None if the store cannot make one now.

    The store's own shows the key, so it is used for keys that name nobody, or if the settings allow it.
    """
    parts, blobs = call.parts, call.parts.services.blobs
    lifetime = parts.settings.link_lifetime
    expires_at = (parts.services.clock.now() + lifetime).replace(microsecond=0)
    url = None
    if parts.settings.bucket_links or not names_owner(key):
        try:
            url = await blobs.signed_url(key, lifetime)
        except PerkieError as error:
            parts.services.events.emit(StoreFailed(blobs.name, "sign", error.message, error.hint))
            return None
    return Link(url or f"{_base(call)}/images/{parts.links.sign(key, expires_at)}", expires_at)


async def _picture_at(call: Call, key: str | None, picture: EncodedPicture) -> tuple[Link, list[str]]:
    """A link to a picture; a data URL if it was not stored or no link can be made."""
    if key is None:
        return Link(data_url(picture), None), []
    if (link := await link_to(call, key)) is not None:
        return link, []
    return Link(data_url(picture), None), ["no link to the picture could be made"]


def _base(call: Call) -> str:
    scope = call.request.scope
    if "perkie.base" not in scope:  # one answer has several links
        scope["perkie.base"] = call.parts.public_address.of(call.request, behind_shop=behind_proxy(call.request))
    base: str = scope["perkie.base"]
    return base


def json_answer(model: BaseModel, status: int = 200) -> Response:
    """The model as JSON; never cached, because its links and quotas become outdated."""
    return Response(model.model_dump_json(), status, _PRIVATE, JSON)


async def generated_answer(call: Call, drawn: StoredPicture, kind: str) -> Response:
    """The answer for a drawn picture. ``kind`` is one of ``KINDS``: JSON, or the picture itself."""
    if kind == JSON:
        return json_answer(await generate_facts(call, drawn))
    picture = await call.parts.services.workers.run(deliver, drawn.picture.master, image_format(kind))
    return picture_answer(picture, drawn.picture.facts())


async def generate_facts(call: Call, drawn: StoredPicture) -> GenerateAnswer:
    """The JSON answer's fields."""
    made = drawn.picture
    link, warnings = await _picture_at(call, made.key, made.master)
    original = await link_to(call, drawn.original.key) if drawn.original else None
    return GenerateAnswer(
        success=True,
        image_url=link.url,
        expires_at=link.expires_at,
        original_url=original.url if original else None,
        request_id=call.request_id,
        **_public_facts(made.facts(), warnings),
    )


def _public_facts(facts: PictureFacts | CutoutFacts, more: Sequence[str]) -> dict[str, Any]:
    return as_fields(replace(facts, warnings=(*public_warnings(facts.warnings), *more)))


def public_warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    """Warnings for customers, without the reason why a picture was not stored: it names a bucket or folder of ours."""
    return tuple(each.partition(":")[0] if each.startswith(NOT_KEPT) else each for each in warnings)


async def cutout_outcome(call: Call, end: CutoutResult) -> CutoutOutcome:
    """The result of a process's cut-out: a picture or a problem."""
    made = end.cutout
    if made is None:
        assert end.error is not None, "a result has one of the two"
        return CutoutOutcome(success=False, problem=inner_problem(call.request.scope, end.error))
    link, warnings = await _picture_at(call, made.key, made.picture)
    answer = CutoutAnswer(image_url=link.url, expires_at=link.expires_at, **_public_facts(made.facts(), warnings))
    return CutoutOutcome(success=True, result=answer)


def inner_problem(scope: Scope, error: Exception) -> ProblemBody:
    """A problem inside a successful answer."""
    return ProblemBody.model_validate(problem(as_problem(error, scope), ids_of(scope).request_id).body)


async def style_outcome(call: Call, end: StyleResult) -> StyleOutcome:
    """The result of one style of several: a picture or a problem."""
    if end.drawn is not None:
        return StyleOutcome(style=end.style, success=True, result=await generate_facts(call, end.drawn))
    assert end.error is not None, "a result has one of the two"
    return StyleOutcome(style=end.style, success=False, problem=inner_problem(call.request.scope, end.error))


async def quota_left(call: Call, charge: Charge) -> QuotaFields | None:
    """The remaining quota after the work; None if it cannot be read, since the pictures must not be lost for that."""
    try:
        return quota_facts(await call.parts.services.quotas.status(charge))
    except PerkieError as error:
        note(call.request.scope, error)
        return None


def quota_facts(status: QuotaStatus | None) -> QuotaFields | None:
    """The quota's fields; None if the caller is unmetered."""
    if status is None:
        return None
    return QuotaFields(**as_fields(status.facts()))


def picture_answer(picture: EncodedPicture, facts: PictureFacts | CutoutFacts) -> Response:
    """The picture's bytes, with ``facts`` as ``X-Perkie-*`` headers."""
    headers = as_headers(replace(facts, warnings=public_warnings(facts.warnings)))
    return Response(picture.data, 200, {**_PRIVATE, **headers}, picture.format.media_type)


def data_url(picture: EncodedPicture) -> str:
    """The picture as a data URL."""
    return f"data:{picture.format.media_type};base64,{pybase64.b64encode_as_string(picture.data)}"
