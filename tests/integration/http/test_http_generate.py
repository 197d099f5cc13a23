"""``POST /api/v1/generate`` and its neighbours over a real socket."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import ByteCount, CacheSettings, HttpSettings, ImageSettings, QuotaSettings, Settings
from perkie_cli.domain.errors import (
    BadAnswer,
    Blocked,
    BreakerOpen,
    DeadlineExceeded,
    MissingCredentials,
    StoreUnavailable,
    Unavailable,
)
from perkie_cli.http.app import create_app
from perkie_cli.http.warmup import warm_up
from perkie_cli.ports import Document, DocumentRef
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.threads import thread_workers
from tests.engines import Centre, Negative
from tests.http_server import PHOTO, PHOTO64, Running, running, server_log
from tests.integration.storage.test_sqlite_trouble import disk
from tests.pictures import exif_of, file_of, photo


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as made:
        yield made


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["type"]) == (status, status, f"urn:perkie:problem:{code}"), body
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "\n" not in body["detail"]
    return True


async def test_a_picture_then_a_hit(server: Running) -> None:
    first, second = await server.generate(session_id="s1"), await server.generate(session_id="s1")
    assert (first.json()["cache"], second.json()["cache"]) == ("miss", "hit")
    assert (first.json()["quota"]["remaining"], second.json()["quota"]["remaining"]) == (2, 2)
    assert first.json()["quota"]["warning"] == "low"
    assert server.engine.calls == 1
    picture = await server.client.get(second.json()["image_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (320, 280)
    original = await server.client.get(second.json()["original_url"])
    assert Image.open(io.BytesIO(original.content)).size == (320, 280)


@pytest.mark.parametrize("use", ["keep", "replace"])
async def test_the_background_is_the_requests_to_choose(server: Running, use: str) -> None:
    plain, asked = await server.generate(), await server.generate(background=use)
    assert (plain.json()["cache"], asked.json()["cache"]) == ("miss", "miss"), "another picture"
    assert (await server.generate(background=use)).json()["cache"] == "hit"
    assert (await server.generate(background="auto")).json()["cache"] == "hit", "what the style says anyway"


async def test_an_unknown_background_names_the_known_ones(server: Running) -> None:
    answer = await server.generate(background="remove")
    assert is_problem(answer, 422, "invalid_fields")
    assert "'auto', 'keep' or 'replace'" in answer.json()["detail"]
    kept = await server.generate(background="keep", remove_background=True)
    assert is_problem(kept, 422, "usage_error")


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp", "image/*"])
async def test_accept_gives_the_picture_itself(server: Running, kind: str) -> None:
    answer = await server.generate(headers={"Accept": kind})
    assert answer.headers["content-type"] == ("image/jpeg" if kind == "image/*" else kind)
    assert Image.open(io.BytesIO(answer.content)).size == (320, 280)
    assert answer.headers["x-perkie-engine"] == "negative"
    assert answer.headers["x-perkie-cache"] == "miss"


async def test_what_cannot_be_accepted(server: Running) -> None:
    assert is_problem(await server.generate(headers={"Accept": "text/html"}), 406, "not_acceptable")
    assert server.engine.calls == 0, "and nobody pays for it"


async def test_forms_and_hashes(server: Running) -> None:
    form = {"style": "modern", "session_id": "s1"}
    made = await server.client.post("/api/v1/generate", data=form, files={"image": ("pet.jpg", PHOTO)})
    assert made.json()["style"] == "ink_wash"
    image_hash = made.json()["image_hash"]
    again = await server.client.post(
        "/api/v1/generate", json={"image_hash": image_hash, "style": "classic", "session_id": "s1"}
    )
    assert (again.status_code, again.json()["image_hash"]) == (200, image_hash)
    stranger = await server.client.post(
        "/api/v1/generate", json={"image_hash": image_hash, "style": "classic", "session_id": "s2"}
    )
    assert is_problem(stranger, 404, "not_found")


async def test_originals_keep_no_secrets(server: Running) -> None:
    data = file_of(photo(320, 280), exif=exif_of(6))
    made = await server.client.post("/api/v1/generate", data={"style": "modern"}, files={"image": ("p.jpg", data)})
    original = await server.client.get(made.json()["original_url"])
    assert b"CanarySecret" in data
    assert b"CanarySecret" not in original.content
    assert Image.open(io.BytesIO(original.content)).size == (280, 320)


BAD_BODIES: list[tuple[object, int, str]] = [
    ({"style": "ink_wash"}, 422, "invalid_fields"),
    ({"image_data": PHOTO64}, 422, "invalid_fields"),
    ({"image_data": PHOTO64, "style": 7}, 422, "invalid_fields"),
    ({"image_data": PHOTO64, "image_hash": "0" * 64, "style": "ink_wash"}, 422, "invalid_fields"),
    ({"image_data": 7, "style": "ink_wash"}, 422, "invalid_fields"),
    ({"image_data": PHOTO64, "style": "ink_wosh"}, 422, "unknown_style"),
    ({"image_data": "no base64!", "style": "ink_wash"}, 400, "malformed_body"),
    ({"image_data": "R0lGODlhAQABAAAAACw=", "style": "ink_wash"}, 415, "not_an_image"),
    ({"image_data": PHOTO64[:400], "style": "ink_wash"}, 422, "corrupt_image"),
    ({"image_data": PHOTO64, "style": "ink_wash", "session_id": "../../etc"}, 422, "invalid_identity"),
    ({"image_data": PHOTO64, "style": "ink_wash", "customer_id": "4\0"}, 422, "invalid_identity"),
    ({"image_hash": "f" * 64, "style": "ink_wash"}, 404, "not_found"),
    ({"image_hash": "../x", "style": "ink_wash"}, 422, "invalid_fields"),
    ([1, 2], 400, "malformed_body"),
    ("text", 400, "malformed_body"),
]


async def test_bad_bodies(server: Running) -> None:
    for body, status, code in BAD_BODIES:
        assert is_problem(await server.client.post("/api/v1/generate", json=body), status, code)
    assert server.engine.calls == 0


MALFORMED: list[tuple[bytes, str, int, str]] = [
    (b"{", "application/json", 400, "malformed_body"),
    (b"\xff\xfe", "application/json", 400, "malformed_body"),
    (b"[" * 100_000, "application/json", 400, "malformed_body"),
    (b"", "application/json", 400, "malformed_body"),
    (PHOTO, "image/jpeg", 415, "unsupported_media_type"),
    (b"x", "multipart/form-data", 400, "malformed_body"),
    (b"--a\r\nx", "multipart/form-data; boundary=a", 400, "malformed_body"),  # cut off
    (b"--a\r\n\r\n\r\n--a--", "multipart/form-data; boundary=a", 400, "malformed_body"),
]


async def test_malformed_bodies(server: Running) -> None:
    for content, kind, status, code in MALFORMED:
        answer = await server.client.post("/api/v1/generate", content=content, headers={"Content-Type": kind})
        assert is_problem(answer, status, code)


async def test_bodies_are_measured_while_they_stream() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(1024)

    async with running(HttpSettings(max_body=ByteCount(64 * 1024))) as server:
        known = await server.client.post("/api/v1/generate", content=bytes(100_000))
        assert is_problem(known, 413, "too_many_bytes")
        streamed = await server.client.post(
            "/api/v1/generate", content=endless(), headers={"Content-Type": "application/json"}
        )
        assert is_problem(streamed, 413, "too_many_bytes")


async def test_pictures_are_measured_after_their_encoding() -> None:
    async with running(HttpSettings(max_image=ByteCount(1000))) as server:
        assert is_problem(await server.generate(), 413, "too_many_bytes")
        form = await server.client.post("/api/v1/generate", data={"style": "modern"}, files={"image": ("p.jpg", PHOTO)})
        assert is_problem(form, 413, "too_many_bytes")
        assert "p.jpg" in form.json()["detail"]


# ------------------------------------------------------------------ failures and cancellation


async def test_upstream_trouble_is_told_without_internals(server: Running) -> None:
    server.engine.errors["ink_wash"] = BreakerOpen("the breaker of gemini is open", retry_after=42.2)
    server.local.errors["ink_wash"] = Unavailable("no room")
    answer = await server.generate(session_id="s1")
    assert is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "43"
    assert answer.json()["retryable"] is True
    assert (await server.generate(session_id="s1", style="classic")).json()["quota"]["remaining"] == 2


async def test_a_picture_in_anothers_stead_says_so(server: Running) -> None:
    server.engine.errors["ink_wash"] = BreakerOpen("the breaker of gemini is open")
    answer = await server.generate(session_id="s1")
    facts = answer.json()
    assert (answer.status_code, facts["degraded"], facts["engine"]) == (200, True, "local")
    assert facts["degradation_reason"] == "breaker_open"
    assert facts["quota"]["remaining"] == 3
    picture = await server.generate(session_id="s1", headers={"Accept": "image/png"})
    assert picture.headers["x-perkie-degraded"] == "true"


async def test_a_bug_says_nothing(server: Running) -> None:
    server.engine.errors["ink_wash"] = RuntimeError("secret detail")
    with server_log() as log:
        answer = await server.generate()
    assert is_problem(answer, 500, "internal_error")
    assert "secret detail" not in answer.text
    assert f"request={answer.json()['request_id']} " in log.getvalue()


async def test_a_cache_that_cannot_be_used_costs_no_picture_and_its_place_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("in the way of the cache's folder")
    async with running(settings=Settings(cache=CacheSettings(dir=tmp_path / "private"))) as server:
        made = await server.generate()
        assert made.json()["image_url"].startswith("data:image/jpeg;base64,")
        assert "could not be kept" in made.json()["warnings"][0]
        told = await server.client.post("/api/v2/process", json={"image_data": PHOTO64, "styles": "modern"})
        assert told.json()["cutout"]["result"]["image_url"].startswith("data:image/png;base64,")
        assert told.json()["cutout"]["result"]["expires_at"] is None
        cut = await server.client.post("/remove-background", content=PHOTO)
        assert "could not be kept" in unquote(cut.headers["x-perkie-warnings"])
        for answer in (made, told, cut):
            assert str(tmp_path) not in f"{unquote(str(answer.headers))} {answer.content!r}"


async def test_a_picture_that_no_link_can_be_signed_for_is_in_the_answer(tmp_path: Path) -> None:
    class SignsNothing(DiskBlobs):
        async def signed_url(self, key: str, lifetime: timedelta) -> str | None:
            raise StoreUnavailable("/srv/account.json may not sign")

    http = HttpSettings(bucket_links=True)
    async with running(http, blobs=SignsNothing(tmp_path, SystemClock(), thread_workers(2))) as server:
        answer = await server.generate()
        facts = answer.json()
        assert (answer.status_code, facts["expires_at"], facts["original_url"]) == (200, None, None)
        assert facts["image_url"].startswith("data:image/jpeg;base64,")
        assert facts["warnings"] == ["no link to the picture could be made"]
        assert "/srv" not in answer.text
        kept = await server.client.post("/api/storage/upload", json={"original": PHOTO64})
        assert [(each["success"], each["url"]) for each in kept.json()["uploads"]] == [(True, None)]


async def test_pictures_are_answered_though_quotas_cannot_be_read_any_more() -> None:
    class TakesOnly(MemoryDocuments):
        async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
            raise StoreUnavailable("down")

    settings = Settings(quota=QuotaSettings(when_down="deny"))
    for path in ("/api/v1/batch-generate", "/api/v2/process"):
        async with running(settings=settings, documents=TakesOnly()) as server:
            answer = await server.client.post(path, json={"image_data": PHOTO64, "styles": "modern"})
            assert answer.status_code == 200
            assert [each["success"] for each in answer.json()["results"]] == [True]
            assert answer.json()["quota"] is None


async def test_a_client_that_leaves_gives_back_what_it_held(server: Running) -> None:
    server.engine.gate.clear()
    leaving = asyncio.create_task(server.generate(session_id="s1"))
    await server.engine.begins()
    assert await server.reserved() == 1
    leaving.cancel()
    await server.gave_back()


async def test_the_deadline_is_kept() -> None:
    async with running(HttpSettings(generate_deadline=timedelta(seconds=1))) as server:
        server.engine.gate.clear()
        answer = await server.generate(session_id="s1")
        assert is_problem(answer, 504, DeadlineExceeded.code)
        assert server.engine.cancelled == server.engine.calls, "what had begun by then"
        assert await server.reserved() == 0


async def test_too_many_pixels_at_once_wait_or_are_told_to_come_back() -> None:
    image = ImageSettings(pixels_in_work=100_000)
    async with running(HttpSettings(pixels_waiting=0), Settings(image=image)) as server:
        server.engine.gate.clear()
        first = asyncio.create_task(server.generate())
        await server.engine.begins()
        refused = await server.generate(style="classic")
        assert is_problem(refused, 503, "at_capacity")
        assert int(refused.headers["retry-after"]) > 0
        server.engine.gate.set()
        assert (await first).status_code == 200


async def test_one_style_that_fails_does_not_touch_the_others(server: Running) -> None:
    server.engine.errors = {"ink_wash": Blocked("a policy block"), "bw_fine_art": RuntimeError("secret detail")}
    server.local.errors = {"ink_wash": Unavailable("no room")}
    answer = await server.client.post("/api/v1/batch-generate", json={"image_data": PHOTO64, "styles": "all"})
    body = answer.json()
    assert (answer.status_code, body["success"]) == (200, True)
    assert [each["success"] for each in body["results"]] == [False, True, False]
    codes = [each["problem"]["type"].rpartition(":")[2] for each in body["results"] if each["problem"]]
    assert codes == ["unavailable", "internal_error"]
    assert "secret detail" not in answer.text


# ------------------------------------------------------------------ idempotency


async def test_the_same_key_joins_and_replays(server: Running) -> None:
    server.engine.gate.clear()
    key = {"Idempotency-Key": "k1"}
    twins = [asyncio.create_task(server.generate(session_id="s1", headers=key)) for _ in range(3)]
    await server.engine.begins()
    server.engine.gate.set()
    answers = await asyncio.gather(*twins)
    assert {answer.json()["cache"] for answer in answers} == {"miss"}
    later = await server.generate(session_id="s1", headers=key)
    assert (later.json()["cache"], server.engine.calls) == ("miss", 1)
    other = await server.generate(session_id="s1", style="classic", headers=key)
    assert is_problem(other, 422, "idempotency_mismatch")
    assert is_problem(
        await server.generate(session_id="s1", background="keep", headers=key), 422, "idempotency_mismatch"
    )
    stranger = await server.generate(session_id="s2", style="classic", headers=key)
    assert stranger.status_code == 200


async def test_a_key_holds_for_another_server_too() -> None:
    async with running() as one, running() as other:
        key = {"Idempotency-Key": "k"}
        one.engine.gate.clear()
        first = asyncio.create_task(one.generate(session_id="s1", headers=key))
        await one.engine.begins()
        wrong = await other.generate(session_id="s1", style="classic", headers=key)
        assert is_problem(wrong, 422, "idempotency_mismatch")
        second = asyncio.create_task(other.generate(session_id="s1", headers=key))
        one.engine.gate.set()
        assert (await first).json()["cache"] == "miss"
        assert (await second).json()["cache"] == "hit"
        assert other.engine.calls == 0


async def test_failures_are_not_replayed(server: Running) -> None:
    server.engine.errors["ink_wash"] = server.local.errors["ink_wash"] = BadAnswer("no image")
    assert (await server.generate(headers={"Idempotency-Key": "k"})).status_code == 503
    server.engine.errors.clear()
    assert (await server.generate(headers={"Idempotency-Key": "k"})).status_code == 200


async def test_keys_are_what_the_document_says(server: Running) -> None:
    for key in ("k" * 256, "a b c", "", "caf\u00e9".encode()):
        assert is_problem(await server.generate(headers={"Idempotency-Key": key}), 422, "invalid_fields")
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert is_problem(await server.generate(headers=twice), 422, "invalid_fields")
    assert server.engine.calls == 0


# ------------------------------------------------------------------ the server itself


async def test_stopping_answers_what_can_finish_and_refuses_the_rest() -> None:
    settings = HttpSettings(stop_within=timedelta(seconds=0.3))
    async with running(settings) as server:
        parts = server.parts
        server.engine.gate.clear()
        waiting = asyncio.create_task(server.generate(session_id="s1"))
        await server.engine.begins()
        parts.shutdown.begin()
        assert (await server.client.get("/ready")).json()["status"] == "stopping"
        assert is_problem(await server.generate(style="classic"), 503, "unavailable")
        assert is_problem(await waiting, 503, "unavailable")
        assert server.engine.calls == 1, "no new work was taken up"
        assert await server.reserved() == 0


async def test_whose_work_is_cut_off_at_the_end_waits_for_no_store_that_is_closed() -> None:
    async with running() as server:
        server.server.config.timeout_graceful_shutdown = 0
        server.engine.gate.clear()
        wanted = [
            asyncio.create_task(server.generate(session_id="s1", style=style, headers={"Idempotency-Key": style}))
            for style in ("ink_wash", "classic", "bw_fine_art")
        ]
        await server.engine.begins()
        server.engine.gate.set = lambda: None  # type: ignore[method-assign]  # at the end it would let all go on
    async with asyncio.timeout(60):
        await asyncio.gather(*wanted, return_exceptions=True)
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # seen from outside only
            await asyncio.sleep(0.01)


async def test_health_ready_warmup_and_metrics(server: Running) -> None:
    assert (await server.client.get("/health")).json()["status"] == "ok"
    assert (await server.client.get("/ready")).json() == {
        "status": "ready",
        "dependencies": {"images": "ok", "quotas": "ok", "weights": "missing_weights"},
        "degraded": ["weights"],
        "breakers": {},
    }
    assert (await server.client.post("/warmup")).json()["status"] == "warm"
    await server.generate()
    text = (await server.client.get("/metrics")).text
    assert 'perkie_requests_total{method="POST",route="/api/v1/generate",status="200"} 1.0' in text
    assert 'perkie_cache_lookups_total{outcome="miss"}' in text


async def test_a_disk_without_room_for_a_photo_is_told_of_at_ready_and_then_not(tmp_path: Path) -> None:
    """Its own small test would still fit."""
    with disk(tmp_path / "disk") as folder, server_log() as log:
        settings = Settings(cache=CacheSettings(dir=folder))
        async with running(HttpSettings(max_image=ByteCount(200 * 1024)), settings) as server:

            async def images() -> str:
                answer = (await server.client.get("/ready")).json()
                assert (answer["status"], "images" in answer["degraded"]) == (
                    "ready",
                    answer["dependencies"]["images"] != "ok",
                )
                return str(answer["dependencies"]["images"])

            assert await images() == "ok"
            filler = folder / "somebody else's"
            filler.write_bytes(bytes(shutil.disk_usage(folder).free - 100 * 1024))
            assert await images() == "store_full"
            filler.unlink()
            assert await images() == "ok"
    assert "left, and a picture may need 200" in log.getvalue()


async def test_warm_ups_are_limited() -> None:
    async with running(replace(HttpSettings(), warmups=1)) as server:
        states = [(await server.client.post("/warmup")).json()["status"] for _ in range(2)]
        assert states == ["warm", "skipped"]


class Cold(Negative):
    """Loads with the first ``fails`` tries going wrong."""

    def __init__(self, fails: int) -> None:
        super().__init__()
        self.fails = fails
        self.tried = asyncio.Event()

    async def warm_up(self) -> None:
        self.tried.set()
        self.fails -= 1
        if self.fails >= 0:
            raise MissingCredentials("no key")


async def test_a_server_warms_up_as_it_starts() -> None:
    engine = Cold(fails=2)
    services = build_services(
        Settings(),
        profile=Profile.SERVER,
        engines={"auto": engine},
        local=engine,
        matting_engines={"auto": Centre()},
    )
    app = create_app(services, warming=True)
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(engine.tried.wait(), 60)
        parts = app.state.parts
        assert await warm_up(parts, network=False) == ["codec", "images", "quotas"]
        assert await warm_up(parts, network=False) == ["codec", "images", "quotas", "engine negative"]


async def test_links_end(server: Running) -> None:
    url = (await server.generate()).json()["image_url"]
    headers = (await server.client.get(url)).headers
    assert headers["cache-control"].startswith("private, max-age=")
    assert headers["x-content-type-options"] == "nosniff"
    etag = headers["etag"]
    assert (await server.client.get(url, headers={"If-None-Match": etag})).status_code == 304
    part = await server.client.get(url, headers={"Range": "bytes=10-19"})
    whole = (await server.client.get(url)).content
    assert (part.status_code, part.content) == (206, whole[10:20])
    head = await server.client.head(url, headers={"Range": "bytes=10-19"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole)))
    assert (await server.client.put(url)).headers["allow"] == "GET, HEAD"
    behind = await server.client.get(url, headers={"Range": "bytes=99999999-"})
    assert is_problem(behind, 416, "range_not_satisfiable")
    assert (behind.headers["content-range"], behind.headers["cache-control"]) == (f"bytes */{len(whole)}", "no-store")
    stale = await server.client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"x"'})
    assert stale.status_code == 200
    assert is_problem(await server.client.get(url[:-1] + "~"), 404, "not_found")
