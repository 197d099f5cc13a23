"""How the SDK's errors and answers become perkie's: by class, status and reason."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import numpy as np
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError

from perkie_cli.config.models import load_models
from perkie_cli.domain import errors
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.style import Style
from perkie_cli.engines.gemini.answer import picture_of, usage_of
from perkie_cli.engines.gemini.faults import fault
from perkie_cli.engines.gemini.question import ask, nearest_ratio, reference
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import RenderJob

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "canary-0f1e2d"


def api_error(code: int, details: list[Any] | None = None, message: str = "no", **headers: str) -> APIError:
    body = {"error": {"code": code, "message": message, "status": "S", "details": details or []}}
    response = httpx2.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return (ServerError if code >= 500 else ClientError)(code, body, response)


@pytest.mark.parametrize(
    ("error", "kind", "maybe_billed"),
    [
        (api_error(400), errors.UpstreamRefused, False),
        (api_error(400, [{"reason": "API_KEY_INVALID"}]), errors.WrongCredentials, False),
        (api_error(400, [{"reason": "API_KEY_EXPIRED"}]), errors.WrongCredentials, False),
        (api_error(401), errors.WrongCredentials, False),
        (api_error(403), errors.WrongCredentials, False),
        (api_error(404), errors.UpstreamRefused, False),
        (api_error(408), errors.UpstreamTimeout, False),
        (api_error(413), errors.UpstreamRefused, False),
        (api_error(429), errors.UpstreamOverloaded, False),
        (api_error(500), errors.UpstreamBroken, False),
        (api_error(502), errors.UpstreamFault, False),
        (api_error(503), errors.UpstreamFault, False),
        (api_error(504), errors.UpstreamTimeout, False),
        (APIError(302, "moved"), errors.UpstreamFault, False),
        (httpx2.ConnectError("no"), errors.UpstreamFault, False),
        (httpx2.ConnectTimeout("no"), errors.UpstreamFault, False),
        (httpx2.PoolTimeout("no"), errors.UpstreamFault, False),
        (httpx2.ReadTimeout("no"), errors.UpstreamTimeout, True),
        (httpx2.WriteTimeout("no"), errors.UpstreamTimeout, True),
        (httpx2.RemoteProtocolError("no"), errors.UpstreamFault, True),
        (httpx2.ReadError("no"), errors.UpstreamFault, True),
        (DefaultCredentialsError("no"), errors.MissingCredentials, False),  # type: ignore[no-untyped-call]
        (RefreshError("no"), errors.WrongCredentials, False),  # type: ignore[no-untyped-call]
        (TransportError("no"), errors.UpstreamFault, False),  # type: ignore[no-untyped-call]
        (ValueError("json"), errors.UpstreamFault, True),
        (KeyError("shape"), errors.UpstreamFault, True),
    ],
    ids=lambda value: getattr(value, "code", "") if isinstance(value, APIError) else "",
)
def test_errors_map_by_class_and_status(error: Exception, kind: type[Exception], maybe_billed: bool) -> None:
    mapped, billed = fault(error, KEY, NOW)
    assert type(mapped) is kind
    assert billed is maybe_billed


def test_a_bug_is_no_upstream_fault() -> None:
    with pytest.raises(AssertionError):
        fault(AssertionError("ours"), KEY, NOW)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (api_error(429, [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"}]), 13.0),
        (api_error(429, [{"retryDelay": "0.5s"}], retry_after="9"), 0.5),
        (api_error(429, retry_after="9"), 9.0),
        (api_error(429, retry_after="Sat, 21 Nov 2026 12:00:30 GMT"), 30.0),
        (api_error(429, retry_after="Sat, 21 Nov 2026 11:00:00 GMT"), 0.0),
        (api_error(429, retry_after="soon"), None),
        (api_error(429, retry_after="9" * 400), None),
        (api_error(429, retry_after=f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT"), None),
        (api_error(429, [{"retryDelay": f"{'9' * 400}s"}]), None),
        (api_error(429, [{"retryDelay": "soon"}, "text", None]), None),
        (api_error(429), None),
        (ClientError(429, "text"), None),
        (ClientError(429, {"error": {"details": "text"}}), None),
    ],
)
def test_how_long_to_wait(error: APIError, seconds: float | None) -> None:
    assert fault(error, None, NOW)[0].retry_after == seconds


def test_the_key_is_cut_out_of_what_the_api_says() -> None:
    mapped, _ = fault(api_error(400, message=f"key {KEY}\n  is not for you"), KEY, NOW)
    assert mapped.message.endswith("key **** is not for you")


RATIOS = [(1000, 1000, "1:1"), (1500, 1000, "3:2"), (1000, 1500, "2:3"), (3000, 1000, "21:9"), (1, 4000, "9:16")]


@pytest.mark.parametrize(("width", "height", "ratio"), RATIOS)
def test_nearest_ratio(width: int, height: int, ratio: str) -> None:
    assert nearest_ratio(width, height) == ratio


@pytest.mark.parametrize(("model", "size"), [("gemini-nano-banana-2.1", "2K"), ("gemini-3.1-flash-lite-image", None)])
def test_models_of_one_size_are_told_none(model: str, size: str | None) -> None:
    job = RenderJob(Raster(np.zeros((300, 300, 3), np.uint8)), Style("s", "S", "p", "s", "1", "ink_wash"), size=2000)
    shape = ask(job, load_models().get(model, NOW.date()), b"photo").config.image_config
    assert shape is not None
    assert shape.image_size == size


@pytest.mark.parametrize(("longest", "width"), [(100, 100), (1536, 300)])
def test_a_photo_is_shrunk_for_the_model_never_enlarged(longest: int, width: int) -> None:
    sent = reference(Raster(np.zeros((200, 300, 3), np.uint8)), longest)
    assert codec.inspect(sent, ImageLimits(min_side=1)).width == width


def answered(**fields: object) -> types.GenerateContentResponse:
    return types.GenerateContentResponse.model_validate(fields)


def part(data: bytes, *, thought: bool = False) -> dict[str, object]:
    return {"inline_data": {"data": data, "mime_type": "image/png"}, "thought": thought}


def test_a_picture_of_the_models_thinking_is_not_the_answer() -> None:
    parts = [{"text": "Here:"}, part(b"draft", thought=True), part(b"picture")]
    assert picture_of(answered(candidates=[{"content": {"parts": parts}, "finish_reason": "STOP"}])) == b"picture"


MODEL = load_models().get("gemini-nano-banana-2.1", NOW.date())


@pytest.mark.parametrize(
    ("counts", "drawn", "tokens", "dollars"),
    [
        (None, True, (1400, 1120), "0.0357"),
        (None, False, (0, 0), "0"),
        ({"prompt_token_count": 1000, "candidates_token_count": 1120}, True, (1000, 1120), "0.0351"),
        ({"prompt_token_count": 1000, "candidates_token_count": 10}, False, (1000, 10), "0.001575"),
        ({"prompt_token_count": 0, "thoughts_token_count": 800}, True, (0, 800), "0.006"),
        (
            {"candidates_token_count": 1130, "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 1120}]},
            True,
            (0, 1130),
            "0.033675",
        ),
        ({"prompt_token_count": -5, "candidates_token_count": None}, False, (0, 0), "0"),
    ],
)
def test_what_an_answer_took(counts: object, drawn: bool, tokens: tuple[int, int], dollars: str) -> None:
    usage = usage_of(answered(usage_metadata=counts), MODEL, "1K", drawn=drawn)
    assert (usage.input_tokens, usage.output_tokens) == tokens
    assert usage.cost_usd == Decimal(dollars)
