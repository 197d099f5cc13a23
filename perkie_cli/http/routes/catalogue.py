"""``GET /api/v1/styles`` and ``GET /api/v1/quota``: the styles, and the remaining quota."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from perkie_cli.auth.principal import Scope
from perkie_cli.http.answer.answers import json_answer, quota_facts
from perkie_cli.http.answer.document import problems
from perkie_cli.http.answer.schemas import ID, QuotaAnswer, StyleFacts, StylesAnswer
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.call import Call, calling

router = APIRouter(tags=["storefront"])


@router.get(
    "/api/v1/styles",
    operation_id="styles",
    summary="List the styles",
    response_model=StylesAnswer,
    responses=problems(400),
)
async def styles(request: Request) -> StylesAnswer:
    """The styles, shipped ones first."""
    found = parts_of(request).services.styles.all()
    return StylesAnswer(styles=[StyleFacts.of(each) for each in found])


@router.get(
    "/api/v1/quota",
    operation_id="quota",
    summary="Show the remaining quota of today",
    response_model=QuotaAnswer,
    responses=problems(401, 403, 422, 503),
)
async def quota(
    call: Annotated[Call, Depends(calling(Scope.GENERATE, costly=False))],
    customer_id: Annotated[str | None, Query(max_length=128, json_schema_extra={**ID})] = None,
    session_id: Annotated[str | None, Query(max_length=128, json_schema_extra={**ID})] = None,
) -> Response:
    """The remaining quota of the caller, or of the customer or session it acts for. Nothing is consumed."""
    requester = call.requester(customer_id, session_id)
    status = await call.parts.services.quotas.status(requester.charge)
    return json_answer(QuotaAnswer(quota=quota_facts(status), request_id=call.request_id))
