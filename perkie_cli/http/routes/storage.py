"""``POST /api/storage/upload``: pictures that the storefront stores for a customer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.answer.answers import inner_problem, json_answer, link_to
from perkie_cli.http.answer.document import COSTLY, body_of, problems
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.schemas import Identity, UploadAnswer, UploadBody, UploadForm, UploadOutcome
from perkie_cli.http.request.bodies import keep_of_body, off_loop_if_large, read_fields
from perkie_cli.http.request.call import Call, calling
from perkie_cli.http.request.fields import Fields, picture_of, refuse_unknown, validated
from perkie_cli.http.request.inputs import requester_of
from perkie_cli.services.storage.uploads import ORIGINAL, UploadResult

router = APIRouter(tags=["storefront"])
_WHO = Identity.model_fields.keys()
_PROCESSED = "processed_"
_MOST = 8  # pictures per request: the original, the cut-out and a few styles


@router.post(
    "/api/storage/upload",
    operation_id="upload",
    summary="Keep pictures",
    response_model=UploadAnswer,
    responses=problems(*COSTLY),
    openapi_extra=body_of(UploadBody, UploadForm),
)
async def upload(request: Request, call: Annotated[Call, Depends(calling(Scope.STORAGE))]) -> Response:
    """Stores `original` and `processed_…` pictures. Each has its own result: some may be stored while others fail."""
    parts = call.parts
    fields = await read_fields(request, parts.settings.max_image)
    who = {name: fields.values.pop(name) for name in _WHO & fields.values.keys()}
    requester = requester_of(call, validated(Identity, Fields(who)))
    pictures, failed = await off_loop_if_large(request, _pictures, fields, parts.settings.max_image)
    del fields  # and with it the text of the pictures
    keep_of_body(request, sum(map(len, pictures.values())))
    keep = parts.services.uploads.keep
    kept = await call.work(lambda: keep(requester.owner, pictures), parts.settings.cutout_deadline)
    outcomes = [await _outcome(call, each) for each in (*kept, *failed)]
    answer = UploadAnswer(success=all(each.success for each in outcomes), uploads=outcomes, request_id=call.request_id)
    return json_answer(answer)


def _pictures(fields: Fields, max_bytes: int) -> tuple[dict[str, bytes], list[UploadResult]]:
    """The pictures by name, and those that cannot be decoded.

    Raises: InvalidFields when there are none, too many, or others.
    """
    fields = _without_envelope(fields)
    names = [*fields.values, *fields.files]
    refuse_unknown([name for name in names if not name.startswith(_PROCESSED)], (ORIGINAL, f"{_PROCESSED}…"))
    if not 1 <= len(names) <= _MOST:
        raise InvalidFields(f"{len(names)} pictures were sent", hint=f"Send 1 to {_MOST}: original, processed_….")
    if wrong := [name for name, value in fields.values.items() if not isinstance(value, str)]:
        raise InvalidFields(f"{wrong[0][:60]}: not a string")
    found: dict[str, bytes] = {}
    failed: list[UploadResult] = []
    for name in names:
        try:
            picture = picture_of(fields, [name], max_bytes)
        except PerkieError as error:
            failed.append(UploadResult(name, error=error))
        else:
            found[name] = picture.data if picture else b""
    return found, failed


def _without_envelope(fields: Fields) -> Fields:
    """The fields with the content of ``images``, if the pictures are in there; null counts as absent.

    Raises: InvalidFields.
    """
    inside = fields.values.pop("images", None)
    if inside is not None:
        if not isinstance(inside, dict):
            raise InvalidFields("images: not an object of pictures by name")
        refuse_unknown([*fields.values, *fields.files], _WHO, "field next to images")
        fields = Fields(inside)
    return Fields({name: value for name, value in fields.values.items() if value is not None}, fields.files)


async def _outcome(call: Call, kept: UploadResult) -> UploadOutcome:
    if kept.key is None:
        error = kept.error or InvalidFields("no picture")
        return UploadOutcome(name=kept.name[:80], success=False, problem=inner_problem(call.request.scope, error))
    link = await link_to(call, kept.key)
    return UploadOutcome(
        name=kept.name,
        success=True,
        url=link.url if link else None,
        expires_at=link.expires_at if link else None,
        image_hash=kept.hash,
    )
