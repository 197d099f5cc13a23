"""Answers in the format of the remove.bg API: its headers, its JSON and its errors."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pybase64
from starlette.responses import Response

from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.errors import (
    CorruptImage,
    Forbidden,
    LimitReached,
    LowConfidence,
    NotAnImage,
    NotAuthorised,
    PerkieError,
    RateLimited,
    TooManyBytes,
    TooManyPixels,
)
from perkie_cli.http.answer.problems import MalformedBody, Problem, problem
from perkie_cli.http.limits.rate_limits import RateOutcome
from perkie_cli.http.request.accept import JSON
from perkie_cli.http.request.removebg import RemovebgError
from perkie_cli.services.cutouts.laid_out import Finished

PREFIX = "/v1.0/"
SIZE_HEADERS = (
    *("X-Width", "X-Height"),
    *("X-Foreground-Top", "X-Foreground-Left", "X-Foreground-Width", "X-Foreground-Height"),
)
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
HEADERS = (*SIZE_HEADERS, "X-Type", "X-Credits-Charged", *RATE_HEADERS)  # readable by web pages
_CODES: tuple[tuple[type[PerkieError], int, str], ...] = (  # the first match is used
    (RateLimited, 429, "rate_limit_exceeded"),
    (LimitReached, 402, "insufficient_credits"),
    (Forbidden, 403, "auth_failed"),
    (NotAnImage, 400, "invalid_file_type"),
    (CorruptImage, 400, "failed_to_read_image"),
    (TooManyBytes, 400, "file_too_large"),
    (TooManyPixels, 400, "resolution_too_high"),
    (LowConfidence, 400, "unknown_foreground"),
    (MalformedBody, 400, "invalid_request"),
)
_KEPT = (403, 404, 405, 429, 499)  # remove.bg answers 400 for every other client error


def removebg_problem(error: PerkieError, request_id: str) -> Problem:
    """``error`` in remove.bg's format: its own status, and a body with ``errors``."""
    answer = problem(error, request_id)
    status, code = _status_and_code(error)
    facts = {"title": answer.body["detail"], "detail": answer.body.get("hint"), "code": code}
    headers = {name: value for name, value in answer.headers.items() if name != "WWW-Authenticate"}
    body = {"errors": [{name: value for name, value in facts.items() if value}]}
    return Problem(status, headers, body)


def _status_and_code(error: PerkieError) -> tuple[int, str]:
    if isinstance(error, RemovebgError):
        return 400, error.removebg_code
    if isinstance(error, NotAuthorised) and error.http_status == 401:
        return 403, "auth_failed"
    for kind, status, code in _CODES:
        if isinstance(error, kind):
            return status, code
    status = error.http_status
    return status if status in _KEPT or status >= 500 else 400, error.code


def removebg_answer(finished: Finished, cutout: Cutout, type_: str | None, *, scale: float, as_json: bool) -> Response:
    """The file, or JSON with it. ``scale``: px of the sent picture per px of the cut-out."""
    box = finished.subject
    places = {"top": box.top, "left": box.left, "width": box.width, "height": box.height}
    places = {name: round(value * scale) for name, value in places.items()}
    headers = {
        "X-Width": str(finished.width),
        "X-Height": str(finished.height),
        **{f"X-Foreground-{name.title()}": str(value) for name, value in places.items()},
        "X-Credits-Charged": "0",
        "X-Perkie-Engine": cutout.engine,
        "Cache-Control": "private, no-store",
        "Vary": "Accept",
    }
    if type_ is not None:
        headers["X-Type"] = type_
    if not as_json:
        return Response(finished.data, 200, headers, finished.media_type)
    facts: dict[str, Any] = {"result_b64": pybase64.b64encode_as_string(finished.data)}
    facts |= {f"foreground_{name}": value for name, value in places.items()}
    return Response(orjson.dumps({"data": facts}), 200, headers, JSON)


def rate_headers(outcome: RateOutcome, now: float) -> dict[str, str]:
    """The headers with the remaining rate; ``now`` is in epoch seconds."""
    tightest = outcome.tightest
    if tightest is None:
        return {}
    rate, verdict = tightest
    reset = now + (verdict.retry_after or verdict.reset_after)
    return dict(zip(RATE_HEADERS, map(str, (rate.count, verdict.remaining, math.ceil(reset))), strict=True))
