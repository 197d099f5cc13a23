"""``GET /apps/perkie/token``: for a visitor signed in by the shop, the widget gets a token for direct calls."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from perkie_cli.domain.errors import NotAuthorised
from perkie_cli.http.answer.answers import json_answer
from perkie_cli.http.answer.document import problems
from perkie_cli.http.answer.schemas import TokenAnswer
from perkie_cli.http.parts import parts_of
from perkie_cli.http.request.call import PROXY_PREFIX

router = APIRouter(tags=["storefront"])


@router.get(
    f"{PROXY_PREFIX}/token",
    operation_id="token",
    summary="Issue a token for the widget",
    response_model=TokenAnswer,
    responses=problems(401),
)
async def token(request: Request) -> Response:
    """A token, valid for an hour, for the visitor named by a signed proxy call; with the customer id, if logged in."""
    parts = parts_of(request)
    now = parts.services.clock.now()
    call = parts.authenticator.proxied(request.url.query, now)
    if parts.authenticator.tokens is None:
        raise NotAuthorised("this server issues no tokens")
    minted = parts.authenticator.tokens.mint(call.customer, call.shop, now)
    return json_answer(TokenAnswer(token=minted.token, expires_at=minted.expires_at))
