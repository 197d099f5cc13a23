"""Cut-outs, uploads and the streamed process over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from PIL import Image

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import CacheSettings, HttpSettings, ImageSettings, MattingSettings, Settings
from perkie_cli.domain.cutouts.checkpoint import checkpoint
from perkie_cli.domain.errors import (
    BadAnswer,
    Blocked,
    InvalidSetting,
    MissingWeights,
    Unavailable,
    WrongCredentials,
)
from perkie_cli.domain.secret import Secret
from perkie_cli.http.app import create_app
from perkie_cli.services.shop.process import Accepted
from tests.http_server import API_KEY, PHOTO, PHOTO64, Running, running, secured, server_log
from tests.pictures import exif_of, file_of, photo

REFERENCE = Secret("sm://a reference of the wrong form, which would be guessed as a secret")
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as made:
        yield made


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


async def cut_out(server: Running, data: bytes = PHOTO, **query: str) -> httpx.Response:
    return await server.client.post("/remove-background", content=data, params=query)


# ------------------------------------------------------------------ remove-background


async def test_a_picture_in_a_cut_out_out(server: Running) -> None:
    raw = await cut_out(server)
    assert raw.headers["content-type"] == "image/png"
    alpha = np.asarray(opened(raw.content).getchannel("A"))
    assert (alpha[0, 0], alpha[140, 160]) == (0, 255)
    assert raw.headers["x-perkie-engine"] == "centre"
    assert raw.headers["x-perkie-confidence"] == "0.9"
    form = await server.client.post("/remove-background", files={"image": ("pet.jpg", PHOTO)})
    assert (form.content, form.headers["x-perkie-cache"]) == (raw.content, "hit")
    text = await server.client.post("/remove-background", json={"image_data": PHOTO64})
    assert (text.content, server.matting.calls) == (raw.content, 1)


async def test_masks_backgrounds_and_framing(server: Running) -> None:
    mask = opened((await cut_out(server, output="mask")).content)
    assert (mask.getpixel((0, 0)), mask.getpixel((160, 140))) == ((0, 0, 0), (255, 255, 255))
    red = opened((await cut_out(server, background="#ff0000", format="jpg")).content)
    assert red.format == "JPEG"
    assert np.asarray(red.convert("RGB"))[2, 2, 0] > 240
    trimmed = opened((await cut_out(server, trim="true")).content)
    assert trimmed.width < 170
    webp = await server.client.post("/remove-background", content=PHOTO, headers={"Accept": "image/webp"})
    assert opened(webp.content).format == "WEBP"


async def test_the_mask_of_a_held_camera_fits_its_upright_picture(server: Running) -> None:
    mask = await cut_out(server, file_of(photo(320, 280), exif=exif_of(6)), output="mask")
    assert opened(mask.content).size == (280, 320)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"mode": "slow"}, 422),
        ({"output": "rgb"}, 422),
        ({"background": "mauve"}, 422),
        ({"margin": "-1"}, 422),
        ({"margin": "nan"}, 422),
        ({"aspect": "1:99"}, 422),
        ({"format": "jpg"}, 422),
        ({"output": "mask", "background": "#fff"}, 422),
    ],
)
async def test_queries_that_make_no_sense(server: Running, query: dict[str, Any], status: int) -> None:
    answer = await cut_out(server, **query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert server.matting.calls == 0


async def test_missing_weights_are_the_operators_trouble(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    server.matting.error = MissingWeights("/srv/models/ckpt.pth is not there", hint="perkie models pull")
    answer = await cut_out(server)
    assert answer.status_code == 503
    assert "/srv" not in answer.text
    assert "is not there (perkie models pull)" in caplog.text


async def test_too_many_pixels_to_cut_out_at_once_are_refused() -> None:
    settings = Settings(image=ImageSettings(pixels_in_work=100_000))
    async with running(HttpSettings(pixels_waiting=0), settings) as server:
        server.matting.gate.clear()
        first = asyncio.create_task(cut_out(server))
        await asyncio.wait_for(server.matting.begun.wait(), 60)
        refused = await cut_out(server, file_of(photo(300, 300)))
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:perkie:problem:at_capacity")
        server.matting.gate.set()
        assert (await first).status_code == 200


# ------------------------------------------------------------------ uploads


async def test_uploads_tell_each_picture_by_itself(server: Running) -> None:
    pictures = {"original": f"data:image/jpeg;base64,{PHOTO64}", "processed_modern": PHOTO64, "processed_x": "no!"}
    answer = await server.client.post("/api/storage/upload", json={"session_id": "s1", **pictures})
    body = answer.json()
    kept = {each["name"]: each for each in body["uploads"]}
    assert (answer.status_code, body["success"]) == (200, False)
    assert {name: each["success"] for name, each in kept.items()} == {
        "original": True, "processed_modern": True, "processed_x": False
    }  # fmt: skip
    assert opened((await server.client.get(kept["processed_modern"]["url"])).content).size == (320, 280)
    again = {"image_hash": kept["original"]["image_hash"], "style": "modern", "session_id": "s1"}
    assert (await server.client.post("/api/v1/generate", json=again)).status_code == 200
    nested = await server.client.post("/api/storage/upload", json={"images": {"original": PHOTO64}})
    assert nested.json()["success"]


async def test_upload_names_lead_nowhere(server: Running) -> None:
    for name in ("processed_../../x", "processed_", "processed_A", "processed_" + "x" * 80):
        answer = await server.client.post("/api/storage/upload", json={name: PHOTO64})
        assert answer.json()["uploads"][0]["problem"]["status"] == 422
    for body in ({"other": PHOTO64}, {"modern": PHOTO64, "original": PHOTO64}, {"images": {"modern": PHOTO64}}):
        refused = await server.client.post("/api/storage/upload", json=body)
        assert (refused.status_code, "no such field" in refused.json()["detail"]) == (422, True)
    wrong: dict[str, Any]
    for wrong in ({"original": False}, {"images": {"original": 7}}, {"images": []}, {"original": None}):
        assert (await server.client.post("/api/storage/upload", json=wrong)).status_code == 422
    both = {"images": {"original": PHOTO64}, "processed_modern": PHOTO64}
    assert (await server.client.post("/api/storage/upload", json=both)).status_code == 422


# ------------------------------------------------------------------ process


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, object]]]:
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def streamed(
    server: Running, headers: Mapping[str, str] | None = None, /, **body: object
) -> list[tuple[str, dict[str, object]]]:
    wanted = {"image_data": PHOTO64, **body}
    async with server.client.stream(
        "POST", "/api/v2/process", json=wanted, headers={**STREAM, **(headers or {})}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [each async for each in events(answer)]


async def test_a_process_told_as_it_goes(server: Running) -> None:
    server.engine.errors["van_gogh_post_impressionism"] = Blocked("a policy block")
    server.local.errors["van_gogh_post_impressionism"] = Unavailable("no room")
    told = await streamed(server, session_id="s1")
    assert [name for name, _ in told[:2]] == ["accepted", "cutout"]
    assert [name for name, _ in told[2:]] == ["style", "style", "done"]
    assert told[0][1]["styles"] == ["ink_wash", "van_gogh_post_impressionism"]
    assert {body["style"]: body["success"] for name, body in told if name == "style"} == {
        "ink_wash": True, "van_gogh_post_impressionism": False
    }  # fmt: skip
    assert told[-1][1]["success"] is True
    link = told[1][1]["result"]["image_url"]  # type: ignore[index]
    assert opened((await server.client.get(link)).content).mode == "RGBA"


async def test_a_process_in_one_answer(server: Running) -> None:
    answer = await server.client.post("/api/v2/process", json={"image_data": PHOTO64, "styles": "all"})
    body = answer.json()
    assert [each["style"] for each in body["results"]] == ["ink_wash", "van_gogh_post_impressionism", "bw_fine_art"]
    assert body["cutout"]["result"]["engine"] == "centre"
    assert body["success"]


async def test_operators_are_told_of_substitutes_and_customers_not_why(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    server.engine.errors["ink_wash"] = WrongCredentials("gemini refused the key of account 7")
    answer = await server.client.post("/api/v2/process", json={"image_data": PHOTO64, "styles": "modern"})
    assert answer.json()["results"][0]["result"]["degradation_reason"] == "wrong_credentials"
    assert "account 7" not in answer.text
    assert (
        "reason=wrong_credentials, engine=local, step=local, cause=gemini refused the key of account 7" in caplog.text
    )


async def test_strategies(server: Running) -> None:
    counts = {}
    for strategy in ("on_demand", "hybrid", "pregenerate"):
        told = await streamed(server, strategy=strategy)
        counts[strategy] = sum(name == "style" for name, _ in told)
    assert counts == {"on_demand": 0, "hybrid": 2, "pregenerate": 3}


async def test_styles_are_drawn_without_a_cut_out(server: Running) -> None:
    server.matting.error = MissingWeights("no weights")
    told = dict(await streamed(server, styles="modern"))
    assert told["cutout"]["success"] is False
    assert told["style"]["success"] is True


async def test_bad_pictures_are_refused_before_the_stream_begins(server: Running) -> None:
    answer = await server.client.post("/api/v2/process", json={"image_data": "R0lGODlhAQABAAAAACw="}, headers=STREAM)
    assert answer.status_code == 415


async def test_what_breaks_on_the_way_is_the_last_event(server: Running) -> None:
    told = await streamed(server, image_data=PHOTO64[: len(PHOTO64) // 2])
    assert told[-1][0] == "error"
    assert told[-1][1]["status"] == 422


async def test_leaving_the_stream_gives_back_what_it_held(server: Running) -> None:
    server.engine.gate.clear()
    wanted = {"image_data": PHOTO64, "styles": "modern", "session_id": "s1"}
    async with server.client.stream("POST", "/api/v2/process", json=wanted, headers=STREAM) as answer:
        async for name, _ in events(answer):
            if name == "cutout":
                await server.engine.begins()
                assert await server.reserved() == 1
                break
    await server.gave_back()


async def test_streams_end_at_their_deadline_and_with_the_server() -> None:
    async def hangs(*_: object) -> AsyncIterator[Accepted]:
        yield Accepted("0" * 64, ())
        await asyncio.Event().wait()

    async with running(HttpSettings(process_deadline=timedelta(seconds=0.1)), process=hangs) as server:
        told = await streamed(server)
        assert (told[-1][0], told[-1][1]["status"]) == ("error", 504)
    async with running(replace(HttpSettings(), stop_within=timedelta(seconds=0.2))) as server:
        server.matting.gate.clear()
        reading = asyncio.create_task(streamed(server))
        await asyncio.wait_for(server.matting.begun.wait(), 60)
        server.parts.shutdown.begin()
        told = await reading
        assert (told[-1][0], told[-1][1]["status"]) == ("error", 503)


async def test_a_stream_says_how_it_ends_and_a_client_that_reconnects_then_starts_nothing(server: Running) -> None:
    wanted = {"image_data": PHOTO64, "styles": "modern"}
    text = (await server.client.post("/api/v2/process", json=wanted, headers=STREAM)).text
    assert text.startswith(": close the connection")
    ids = [line.removeprefix("id: ") for line in text.splitlines() if line.startswith("id: ")]
    assert (ids[-1], len(set(ids))) == ("end", 4)
    calls = server.engine.calls, server.matting.calls
    again = await server.client.post("/api/v2/process", json=wanted, headers={**STREAM, "Last-Event-ID": ids[-1]})
    assert (again.status_code, again.content) == (204, b"")
    assert (server.engine.calls, server.matting.calls) == calls
    broke_off = {**STREAM, "Last-Event-ID": ids[1]}  # everything again: what was done comes from the cache
    text = (await server.client.post("/api/v2/process", json=wanted, headers=broke_off)).text
    assert "event: done" in text
    assert (server.engine.calls, server.matting.calls) == calls


async def test_failures_upstream_do_not_break_the_stream(server: Running) -> None:
    server.engine.errors["ink_wash"] = server.local.errors["ink_wash"] = BadAnswer("no image")
    told = dict(await streamed(server, styles="modern"))
    assert told["style"]["problem"]["status"] == 503  # type: ignore[index]


async def test_a_process_has_an_idempotency_key_too(server: Running) -> None:
    async def asked(**body: str) -> httpx.Response:
        wanted = {"image_data": PHOTO64, "styles": "modern", "session_id": "s1", **body}
        return await server.client.post("/api/v2/process", json=wanted, headers={"Idempotency-Key": "k"})

    server.engine.gate.clear()
    leader = asyncio.create_task(streamed(server, {"Idempotency-Key": "k"}, styles="modern", session_id="s1"))
    await server.engine.begins()
    twin = asyncio.create_task(asked())
    server.engine.gate.set()
    told, joined, later = await leader, (await twin).json(), (await asked()).json()
    assert [name for name, _ in told] == ["accepted", "cutout", "style", "done"]
    assert [each["results"][0]["result"]["cache"] for each in (joined, later)] == [
        "miss",
        "miss",
    ]  # not asked for again
    assert server.engine.calls == 1
    other = await asked(styles="classic")
    assert (other.status_code, other.json()["type"]) == (422, "urn:perkie:problem:idempotency_mismatch")


async def test_what_failed_in_part_is_not_replayed(server: Running) -> None:
    wanted = {"image_data": PHOTO64, "styles": "modern"}
    server.engine.errors["ink_wash"] = server.local.errors["ink_wash"] = BadAnswer("no image")
    successes = []
    for _ in range(2):
        for path in ("/api/v1/batch-generate", "/api/v2/process"):
            answer = await server.client.post(path, json=wanted, headers={"Idempotency-Key": "k"})
            successes.append(answer.json()["results"][0]["success"])
        server.engine.errors.clear()
    assert successes == [False, False, True, True]


# ------------------------------------------------------------------ over a WebSocket


def socket_of(server: Running, **headers: str) -> websockets.connect:
    return websockets.connect(f"{server.client.base_url}/api/v2/process".replace("http", "ws", 1), max_size=None,
                              open_timeout=60, ping_timeout=None, additional_headers=headers)  # fmt: skip


async def test_the_same_steps_over_a_websocket(server: Running) -> None:
    async with socket_of(server) as socket:
        await socket.send(json.dumps({"image_data": PHOTO64, "session_id": "s1"}))
        told = [json.loads(message) async for message in socket]
    assert [each["event"] for each in told] == ["accepted", "cutout", "style", "style", "done"]
    assert told[-1]["data"]["success"] is True
    link = told[1]["data"]["result"]["image_url"]
    assert link.startswith(str(server.client.base_url)), "pictures are fetched over HTTP"


async def test_a_websocket_that_leaves_gives_back_what_it_held(server: Running) -> None:
    server.engine.gate.clear()
    async with socket_of(server) as socket:
        await socket.send(json.dumps({"image_data": PHOTO64, "session_id": "s1", "styles": "modern"}))
        await server.engine.begins()
        assert await server.reserved() == 1
    await server.gave_back()


async def test_what_a_websocket_refuses_leaves_no_traceback(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    server.server.config.ws_max_size = 1000
    async with socket_of(server) as socket:
        await socket.send("x" * 2000)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
    await server.client.get("/health")
    await server.client.get("/images/%0aforged")
    assert "Traceback" not in caplog.text
    assert "\nforged" not in caplog.text


async def test_websockets_ask_for_credentials_too(home: Path) -> None:
    async with running(secured(home)) as server:
        for token, event, status in (("", "error", 401), ("guessed", "error", 401), (API_KEY, "accepted", None)):
            async with socket_of(server) as socket:
                await socket.send(json.dumps({"image_data": PHOTO64, "token": token}))
                first = json.loads(await socket.recv())
            assert (first["event"], first["data"].get("status")) == (event, status)
        async with socket_of(server, **{"X-API-Key": API_KEY}) as socket:
            await socket.send(json.dumps({"image_data": PHOTO64}))
            assert json.loads(await socket.recv())["event"] == "accepted"


async def test_messages_that_are_none(server: Running) -> None:
    for message, status in (("{", 400), (b"\xff", 400), ("[]", 400), ("{}", 422), ('{"image_data": 7}', 422)):
        with server_log() as log:
            async with socket_of(server) as socket:
                await socket.send(message)
                told = json.loads(await socket.recv())
        assert (told["event"], told["data"]["status"]) == ("error", status)
        assert f"request={told['data']['request_id']}" in log.getvalue()


# ------------------------------------------------------------------ local only


async def test_pages_from_elsewhere_cannot_use_an_open_local_server(server: Running) -> None:
    for headers in ({"Origin": "https://evil.com"}, {"Host": "rebound.evil.com"}):
        answer = await server.client.post("/api/v2/process", json={"image_data": PHOTO64}, headers=headers)
        assert answer.status_code == 403
    assert (await server.client.get("/health", headers={"Host": "rebound.evil.com"})).status_code == 200


# ------------------------------------------------------------------ roles


@pytest.mark.parametrize(("role", "artistic", "matting"), [("artistic", 200, 404), ("matting", 404, 200)])
async def test_roles_serve_their_own_routes(role: str, artistic: int, matting: int) -> None:
    settings = Settings(matting=MattingSettings(remote_url="http://127.0.0.1:9" if role == "artistic" else None))
    async with running(replace(HttpSettings(), role=role), settings) as server:  # type: ignore[arg-type]
        assert (await server.generate()).status_code == artistic
        assert (await cut_out(server)).status_code == matting
        ready = await server.client.get("/ready")
        assert ready.status_code == (200 if role == "artistic" else 503)
        assert ready.json()["dependencies"].get("weights") == (None if role == "artistic" else "missing_weights")


@pytest.mark.parametrize(("url", "engine"), [(None, "builtin"), ("http://127.0.0.1:9", "remote")])
def test_an_artistic_server_loads_no_large_network(url: str | None, engine: str) -> None:
    settings = Settings(http=HttpSettings(role="artistic"), matting=MattingSettings(remote_url=url))
    services = build_services(settings, profile=Profile.SERVER)
    create_app(services)
    assert services.matting_choice.meant() == engine


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(http=HttpSettings(auth=("jwt",), jwt_secret=REFERENCE)), "is not a reference to a secret"),
        (
            Settings(http=HttpSettings(auth=("shopify-proxy",), shopify_secret=REFERENCE)),
            "is not a reference to a secret",
        ),
        (Settings(http=HttpSettings(link_secret=REFERENCE)), "is not a reference to a secret"),
        (Settings(http=HttpSettings(link_lifetime=timedelta(days=8)), cache=CacheSettings(store="gcs")), "7 days"),
    ],
)
def test_settings_that_cannot_hold_end_the_server_before_it_serves(settings: Settings, told: str) -> None:
    with pytest.raises(InvalidSetting, match=told):
        create_app(build_services(settings, profile=Profile.SERVER))


async def test_a_matting_server_is_ready_once_its_weights_are_there(tmp_path: Path) -> None:
    (tmp_path / checkpoint("base").file).write_bytes(b"weights")
    settings = Settings(matting=MattingSettings(models_dir=tmp_path))
    async with running(replace(HttpSettings(), role="matting"), settings) as server:
        assert (await server.client.get("/ready")).json()["status"] == "ready"


async def test_the_page_is_there(server: Running) -> None:
    page = await server.client.get("/")
    assert "perkie" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("page.css", "page.js"):
        assert (await server.client.get(f"/page/{name}")).status_code == 200
    assert (await server.client.get("/page/..%2f..%2fapp.py")).status_code == 404


@pytest.mark.parametrize("strategy", ["hybrid", "pregenerate"])
async def test_a_strategy_and_styles_together_are_refused_before_anything_is_drawn(
    server: Running, strategy: str
) -> None:
    both = {"image_data": PHOTO64, "strategy": strategy, "styles": "bw_fine_art"}
    for refused in (
        await server.client.post("/api/v2/process", json=both),
        await server.client.post(
            "/api/v2/process", files={"image": PHOTO}, data={"strategy": strategy, "styles": "bw_fine_art"}
        ),
    ):
        assert refused.status_code == 422
        assert refused.json()["detail"] == "strategy and styles exclude each other"
    assert server.matting.calls == 0
