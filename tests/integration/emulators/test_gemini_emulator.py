"""The Gemini emulator under the newest SDK for Python: chats, words alone, streams, drafts; and what it refuses."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.emulators.run import make_gemini, running
from perkie_cli.imaging import codec
from perkie_cli.system.clock import SystemClock
from tests.conftest import CAT

MODEL = "gemini-nano-banana-2.1"
PHOTO = CAT.read_bytes()


class Echo:
    """Answers with the photo that it was to draw, or with the prompt: who reads the answer sees what was asked."""

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        return photo or f"{prompt} {ratio:g}".encode()


@pytest.fixture
async def emulator() -> AsyncIterator[GeminiEmulator]:
    services = build_services(Settings())
    server = make_gemini(Echo(), services.models, SystemClock())
    async with running(server):
        yield server


@pytest.fixture(params=["v1", "v1beta", None], ids=str)
async def client(request: pytest.FixtureRequest, emulator: GeminiEmulator) -> AsyncIterator[genai.Client]:
    options = types.HttpOptions(
        base_url=emulator.url, api_version=request.param, httpx_async_client=httpx2.AsyncClient()
    )
    made = genai.Client(api_key="any", http_options=options)
    yield made
    await made.aio.aclose()


def picture(data: bytes) -> types.Part:
    return types.Part.from_bytes(data=data, mime_type="image/png")


def turn(text: str, photo: bytes) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text), picture(photo)])


def drawn(answer: types.GenerateContentResponse) -> list[bytes]:
    assert answer.parts is not None
    return [part.inline_data.data for part in answer.parts if part.inline_data and not part.thought]  # type: ignore[misc]


async def test_a_chat_draws_the_newest_picture_until_another_one_is_sent(client: genai.Client) -> None:
    chat = client.aio.chats.create(model=MODEL)
    assert drawn(await chat.send_message(["draw it", picture(b"first")])) == [b"first"]
    assert drawn(await chat.send_message("make the sky blue")) == [b"first"]
    assert drawn(await chat.send_message(["now this one", picture(b"second")])) == [b"second"]
    answer = await chat.send_message("make it smaller")
    assert drawn(answer) == [b"second"]
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata.prompt_token_count or 0) > 5 * 1120, "every picture of the chat counts"
    signatures = [
        part.thought_signature for turn in chat.get_history() for part in turn.parts or () if part.inline_data
    ]
    assert any(signatures), "and they were sent back"


async def test_words_alone_are_drawn_in_the_ratio_asked_for_else_square(client: genai.Client) -> None:
    models = client.aio.models
    assert drawn(await models.generate_content(model=MODEL, contents="a boat")) == [b"a boat 1"]
    wide = types.GenerateContentConfig(image_config=types.ImageConfig(aspect_ratio="16:9"))
    assert drawn(await models.generate_content(model=MODEL, contents="a boat", config=wide)) == [b"a boat 1.77778"]


async def test_a_stream_says_the_same_piece_by_piece(client: genai.Client, emulator: GeminiEmulator) -> None:
    emulator.plan = GeminiPlan.parse({"fault": [{"kind": "drafts", "how": "thought", "calls": [2]}]})
    for pieces_wanted in (1, 4):
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents=turn("draw", b"cat"))
        pieces = [piece async for piece in stream]
        assert len(pieces) == pieces_wanted
        assert [each for piece in pieces for each in drawn(piece)] == [b"cat"]
        reasons = [piece.candidates[0].finish_reason for piece in pieces if piece.candidates]
        assert reasons == [*[None] * (pieces_wanted - 1), types.FinishReason.STOP]


async def test_without_sse_a_stream_is_a_json_array(emulator: GeminiEmulator) -> None:
    body = {"contents": [{"parts": [{"text": "draw"}, {"inline_data": {"data": base64.b64encode(b"cat").decode()}}]}]}
    url = f"{emulator.url}/v1beta/models/{MODEL}:streamGenerateContent"
    async with httpx2.AsyncClient(headers={"x-goog-api-key": "any"}) as plain:
        (piece,) = (await plain.post(url, json=body)).json()
        assert piece["candidates"][0]["finishReason"] == "STOP"
        (refusal,) = (await plain.post(url, json={})).json()
        assert refusal["error"]["status"] == "INVALID_ARGUMENT"


async def test_faults_reach_streams_too(client: genai.Client, emulator: GeminiEmulator) -> None:
    async def stream() -> list[Any]:
        return [each async for each in await client.aio.models.generate_content_stream(model=MODEL, contents="x")]

    emulator.plan = GeminiPlan.parse({"fault": [{"kind": "outage"}]})
    with pytest.raises(errors.ServerError):
        await stream()
    emulator.plan = GeminiPlan.parse({"fault": [{"kind": "truncated"}]})
    with pytest.raises(httpx2.RemoteProtocolError):
        await stream()
    emulator.plan = GeminiPlan.parse({"fault": [{"kind": "blocked", "how": "answer"}]})
    assert (await stream())[-1].candidates[0].finish_reason == types.FinishReason.SAFETY


@pytest.mark.parametrize("how", ["thought", "plain", "all_thought"])
async def test_drafts_come_before_the_final_picture(client: genai.Client, emulator: GeminiEmulator, how: str) -> None:
    emulator.plan = GeminiPlan.parse({"fault": [{"kind": "drafts", "how": how}]})
    answer = await client.aio.models.generate_content(model=MODEL, contents=turn("draw", b"final"))
    assert answer.parts is not None
    thoughts = [bool(part.thought) for part in answer.parts]
    assert thoughts == {"thought": [True] * 3 + [False], "plain": [False] * 4, "all_thought": [True] * 4}[how]
    assert answer.parts[-1].inline_data is not None
    assert answer.parts[-1].inline_data.data == b"final"


async def test_models_and_tokens_are_told(client: genai.Client) -> None:
    listed = [model.name async for model in await client.aio.models.list()]
    assert f"models/{MODEL}" in listed
    assert (await client.aio.models.get(model=MODEL)).name == f"models/{MODEL}"
    counted = await client.aio.models.count_tokens(model=MODEL, contents=turn("x" * 40, b"cat"))
    assert counted.total_tokens == 10 + 1120


@pytest.mark.parametrize(
    ("contents", "config", "word"),
    [
        ([types.Content(role="model", parts=[types.Part(text="hm")])], {}, "user turn"),
        ([types.Content(role="system", parts=[types.Part(text="hm")])], {}, "valid role"),
        ([types.Content(role="user", parts=[picture(b"cat")])], {}, "no text"),
        ("x", {"response_modalities": ["TEXT"]}, "modalities"),
        ("x", {"candidate_count": 2}, "Multiple candidates"),
        ("x", {"image_config": {"aspect_ratio": "7:5"}}, "aspectRatio"),
        ("x", {"tools": [types.Tool(google_search=types.GoogleSearch())]}, "tools is not emulated"),
        ("x", {"cached_content": "cachedContents/x"}, "cachedContent is not emulated"),
        ([types.Part.from_uri(file_uri="files/x", mime_type="image/png"), types.Part(text="x")], {}, "not emulated"),
    ],
)
async def test_what_the_api_refuses_is_refused(
    client: genai.Client, contents: Any, config: dict[str, Any], word: str
) -> None:
    with pytest.raises(errors.ClientError, match=word) as refused:
        await client.aio.models.generate_content(
            model=MODEL, contents=contents, config=types.GenerateContentConfig(**config)
        )
    assert refused.value.code == 400


async def test_vertex_by_a_key_alone(emulator: GeminiEmulator) -> None:
    options = types.HttpOptions(base_url=emulator.url, httpx_async_client=httpx2.AsyncClient())
    client = genai.Client(vertexai=True, api_key="any", http_options=options)
    assert drawn(await client.aio.models.generate_content(model=MODEL, contents="a boat")) == [b"a boat 1"]
    await client.aio.aclose()


async def test_the_local_engine_draws_a_scene_of_the_words() -> None:
    from perkie_cli.emulators.gemini.painter import LocalPainter

    services = build_services(Settings())
    painter = LocalPainter(services.engines["local"], services.styles, services.workers)
    one, same, other = [await painter.paint(None, words, 1.5, 256) for words in ("a boat", "a boat ", "a cat")]
    assert one == same != other
    raster = codec.decode(one, ImageLimits(min_side=1)).raster
    assert raster.width == 256
    assert raster.height in (170, 171), "3:2, as it was asked for; a drawing may crop a pixel"
    assert raster.rgb.std() > 10
    await services.aclose()
