"""How the SDK's errors and answers become perkie's: by class, status and reason."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import numpy as np
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.genai.errors import APIError, ClientError, ServerError
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.config.models import load_models
from perkie_cli.domain import errors
from perkie_cli.domain.money.spend import nanodollars
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.style import Style
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.answer import GeminiAnswer, read
from perkie_cli.engines.gemini.bill import usage_of
from perkie_cli.engines.gemini.client import checked_url
from perkie_cli.engines.gemini.faults import fault
from perkie_cli.engines.gemini.question import ask, nearest_ratio, reference
from perkie_cli.engines.gemini.sentences import LONGEST, Scrubber
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import RenderJob

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "canary-0f1e2d"
SCRUBBED = Scrubber(Secret(KEY))


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
        (api_error(404), errors.ModelGone, False),
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
    mapped, billed = fault(error, SCRUBBED, NOW)
    assert type(mapped) is kind
    assert billed is maybe_billed


def _of_ours() -> None:
    raise AssertionError("ours")


def test_what_nobody_foresaw_is_for_the_ladder_and_names_its_place() -> None:
    with pytest.raises(AssertionError) as raised:
        _of_ours()
    mapped, billed = fault(raised.value, SCRUBBED, NOW)
    assert type(mapped) is errors.UnexpectedAnswer
    assert "AssertionError, _of_ours in line" in mapped.message
    assert billed


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
    assert fault(error, SCRUBBED, NOW)[0].retry_after == seconds


def test_the_key_is_cut_out_of_what_the_api_says() -> None:
    mapped, _ = fault(api_error(400, message=f"key {KEY}\n  is not for you"), SCRUBBED, NOW)
    assert mapped.message.endswith("key **** is not for you")
    other = "AIzaSyA-0123456789_abcdefghijklmnopqrst"
    assert SCRUBBED(f"project of {other} has\x1b[31m none") == ": project of **** has[31m none"
    assert SCRUBBED("<html>no") == SCRUBBED(None) == ""
    assert len(SCRUBBED("x" * 9000)) == LONGEST + 2


DISABLED = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "SERVICE_DISABLED",
    "metadata": {"activationUrl": "https://console.developers.google.com/apis/api/x?project=7"},
}
HELP = {"links": [{"description": "activation", "url": "https://console.cloud.google.com/y"}]}


@pytest.mark.parametrize(
    ("error", "vertex", "told"),
    [
        (api_error(403), False, "create a new one: https://aistudio.google.com/apikey"),
        (api_error(400, [{"reason": "API_KEY_INVALID"}]), False, "GEMINI_API_KEY"),
        (api_error(403, [DISABLED]), False, "https://console.developers.google.com/apis/api/x?project=7"),
        (api_error(403, [{"reason": "SERVICE_DISABLED"}, HELP]), True, "https://console.cloud.google.com/y"),
        (api_error(403), True, "roles/aiplatform.user"),
        (api_error(401), True, "gcloud auth application-default login"),
        (api_error(401, [{"reason": "CREDENTIALS_MISSING"}]), True, "express mode"),
        (api_error(404), False, "perkie models check"),
        (api_error(407), False, "HTTPS_PROXY"),
    ],
)
def test_advice_fits_the_case(error: APIError, vertex: bool, told: str) -> None:
    hint = fault(error, SCRUBBED, NOW, vertex=vertex)[0].hint or ""
    assert told in hint
    assert "GEMINI_API_KEY" not in hint or not vertex
    assert "--engine" not in hint, "a server has no such flag"


def violated(name: str, **value: str) -> list[Any]:
    return [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name, **value}]}]


def metric(name: str, value: str) -> list[Any]:
    return [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": name, "quota_limit_value": value}}]


@pytest.mark.parametrize(
    ("details", "message", "kind"),
    [
        (violated("GenerateRequestsPerMinutePerProjectPerModel", quotaValue="10"), "limit: 10", "UpstreamOverloaded"),
        (violated("GenerateRequestsPerDayPerProjectPerModel", quotaValue="100"), "limit: 100", "UpstreamExhausted"),
        (violated("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "limit: 0, model: m", "WrongCredentials"),
        (violated("GenerateRequestsPerMinutePerProjectPerModel", quotaValue="0"), "no", "WrongCredentials"),
        (metric("GenerateContentRequestsPerMinutePerProjectPerRegion", "60"), "no", "UpstreamOverloaded"),
        (metric("Requests per day per user per tier", "1000"), "no", "UpstreamExhausted"),
        (metric("GenerateContentRequestsPerMinute", "0"), "no", "WrongCredentials"),
        ([], "Your prepayment credits are depleted. Please go to AI Studio.", "WrongCredentials"),
        ([], "Resource exhausted. Please try again later.", "UpstreamOverloaded"),
        ([{"violations": "text"}, {"violations": [1]}, {"metadata": 7}], "limit: 0.5", "UpstreamOverloaded"),
    ],
)
def test_a_minute_a_day_and_nothing_at_all_are_told_apart(details: list[Any], message: str, kind: str) -> None:
    mapped, _ = fault(api_error(429, details, message), SCRUBBED, NOW)
    assert type(mapped).__name__ == kind
    assert message in mapped.message
    if kind == "UpstreamExhausted":
        assert mapped.retry_after == 20 * 3600, "midnight in California, whatever RetryInfo says"
        assert "until 08:00 UTC" in mapped.message
        assert mapped.hint == "Try again in 20 h."


BAD_URLS = ["localhost:8081", "htp://x", "http://", "http://h:99999", "http://h:abc", "http://a b", "http://h\n", "x"]


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_cannot_be_called_names_its_setting(url: str) -> None:
    with pytest.raises(errors.InvalidSetting, match="GOOGLE_GEMINI_BASE_URL"):
        checked_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "https://gateway.example/gemini", "http://[::1]:80/"])
def test_addresses_that_can_be_called(url: str) -> None:
    assert checked_url(url) == url


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


def answered(**fields: object) -> GeminiAnswer:
    return read(json.dumps(fields), SCRUBBED)


def part(data: bytes, *, thought: bool = False) -> dict[str, object]:
    return {"inlineData": {"data": base64.b64encode(data).decode(), "mimeType": "image/png"}, "thought": thought}


def of_parts(*parts: object, reason: str = "STOP") -> tuple[bytes, ...]:
    return answered(candidates=[{"content": {"parts": parts}, "finishReason": reason}]).pictures


def test_which_picture_is_the_answer() -> None:
    draft, final = part(b"draft", thought=True), part(b"final")
    assert of_parts({"text": "Here:"}, draft, final) == (b"final",)
    assert of_parts(part(b"one"), {"text": "better"}, part(b"two")) == (b"two", b"one")
    assert of_parts(draft, part(b"later", thought=True)) == (b"later",), "where all are thoughts the last one counts"
    assert of_parts(final, draft) == (b"final",)
    assert of_parts(draft, reason="MAX_TOKENS") == (), "it never came to the finished picture"
    assert of_parts(final, reason="IMAGE_SAFETY") == of_parts(draft, reason="SAFETY") == ()


@pytest.mark.parametrize(
    "odd",
    [
        {"inlineData": {"data": "a"}},
        {"inlineData": {"data": ""}},
        {"inlineData": {"data": 7}},
        {"inlineData": "text"},
        {"fileData": {"fileUri": "https://example.com/x.png"}},
        None,
        "text",
        {"executableCode": {"code": "1"}},
    ],
)
def test_an_odd_part_costs_no_good_one(odd: object) -> None:
    assert of_parts(part(b"good"), odd) == of_parts(odd, part(b"good")) == (b"good",)


def test_base_64_as_others_write_it() -> None:
    data = bytes(range(251, 256)) * 3
    plain = base64.b64encode(data).decode()
    for text in (plain, plain.rstrip("="), base64.urlsafe_b64encode(data).decode(), f"data:image/png;base64,{plain}"):
        assert of_parts({"inlineData": {"data": text}}) == (data,)
    assert of_parts({"inlineData": {"data": f"{plain[:8]}\n{plain[8:]}"}}) == (data,)


def test_an_error_in_a_200_is_that_error() -> None:
    for body in ({"code": 403, "message": "leaked"}, {"code": "403", "message": "leaked"}):
        with pytest.raises(ClientError) as raised:
            answered(error=body)
        assert type(fault(raised.value, SCRUBBED, NOW)[0]) is errors.WrongCredentials
    for odd in ("text", {"code": "http_error", "message": "inside"}, {"code": 7}):
        with pytest.raises(ServerError):
            answered(error=odd)


MODEL = load_models().get("gemini-nano-banana-2.1", NOW.date())
IMAGE_1K = Decimal("0.0336")
IMAGE = {"modality": "IMAGE", "tokenCount": 1120}


@pytest.mark.parametrize(
    ("counts", "drawn", "tokens", "dollars"),
    [
        ({}, True, (1400, 1120), "0.0357"),
        ({}, False, (0, 0), "0"),
        ({"trafficType": "ON_DEMAND"}, True, (1400, 1120), "0.0357"),
        ({"promptTokenCount": 1000, "totalTokenCount": 1000}, True, (1000, 1120), "0.0351"),
        ({"promptTokenCount": 1000, "candidatesTokenCount": 1120}, True, (1000, 1120), "0.0351"),
        ({"promptTokenCount": 1000, "candidatesTokenCount": 1300}, True, (1000, 1300), "0.0405"),
        ({"promptTokenCount": 1000, "candidatesTokenCount": 10}, False, (1000, 10), "0.001575"),
        ({"promptTokenCount": 0, "thoughtsTokenCount": 800}, True, (1400, 1920), "0.0417"),
        (
            {"promptTokenCount": 300, "candidatesTokenCount": 1130, "candidatesTokensDetails": [IMAGE]},
            True,
            (300, 1130),
            "0.034125",
        ),
        (
            {
                "promptTokenCount": 300,
                "candidatesTokenCount": 1120,
                "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 1120}],
            },
            True,
            (300, 1120),
            "0.03405",
        ),
        ({"promptTokenCount": "300", "candidatesTokenCount": "1120"}, True, (300, 1120), "0.03405"),
        ({"promptTokenCount": -5, "candidatesTokenCount": None}, False, (0, 0), "0"),
        ({"candidatesTokensDetails": "text", "promptTokenCount": True}, True, (1400, 1120), "0.0357"),
    ],
)
def test_what_an_answer_took(counts: dict[str, object], drawn: bool, tokens: tuple[int, int], dollars: str) -> None:
    usage = usage_of(counts, MODEL, "1K", drawn=drawn)
    assert (usage.input_tokens, usage.output_tokens) == tokens
    assert usage.cost_usd == Decimal(dollars)


COUNTS = st.one_of(st.none(), st.integers(-(10**30), 10**30), st.text(max_size=5), st.lists(st.integers(), max_size=2))
DETAILS = st.lists(st.fixed_dictionaries({"modality": st.sampled_from(["IMAGE", "TEXT"]), "tokenCount": COUNTS}))


@given(
    st.dictionaries(st.sampled_from(["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"]), COUNTS),
    st.one_of(COUNTS, DETAILS),
    st.sampled_from(sorted(MODEL.image_tokens)),
)
def test_a_drawn_picture_is_never_booked_below_the_price_list(counts: Any, details: object, size: str) -> None:
    usage = usage_of({**counts, "candidatesTokensDetails": details}, MODEL, size, drawn=True)
    assert usage.cost_usd >= IMAGE_1K * MODEL.image_tokens[size] / 1120
    assert nanodollars(usage.cost_usd) < 2**63, "a ledger can hold it"
