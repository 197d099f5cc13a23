"""Bodies, heads and connections that misbehave, over raw sockets: they cost little, end, and hinder nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perkie_cli.config.schema import ByteCount, HttpSettings
from perkie_cli.http.limits.patience import Patience
from tests.http_server import API_KEY, PHOTO, PHOTO64, Running, running, secured
from tests.integration.http.test_http_socket import HANDSHAKE
from tests.pictures import file_of
from tests.raw_http import Wire, head, wire

MIB = 1024 * 1024
KIB = 1024
BODY = json.dumps({"image_data": PHOTO64, "style": "ink_wash", "session_id": "s1"}).encode()
WHOLE = head(f"Content-Length: {len(BODY)}") + BODY
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def patience() -> Patience:
    """Of the server; some tests have less of it."""
    return Patience()


@pytest.fixture
async def server(patience: Patience) -> AsyncIterator[Running]:
    settings = HttpSettings(max_body=ByteCount(MIB), max_bodies=ByteCount(2 * MIB), trusted_hops=1)
    async with running(settings, patience=patience) as made:
        yield made


async def others_are_served(server: Running) -> None:
    async with asyncio.timeout(60):
        assert (await server.client.get("/health")).status_code == 200
        assert (await server.generate(headers={"X-Forwarded-For": "198.51.100.7"})).status_code == 200


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # seen from outside only
            await asyncio.sleep(0.01)


# ------------------------------------------------------------------ bodies


@pytest.mark.parametrize(
    "announced",
    [
        head("Content-Length: 1048576"),
        head("Transfer-Encoding: chunked"),
        head("Content-Length: 1048576", "Expect: 100-continue"),
        head("Content-Length: 1048576", request="POST /api/v1/generate HTTP/1.0"),
        head("Content-Length: 1048576", request="GET /health HTTP/1.1"),
        head("Content-Length: 1048576", request="POST /remove-background HTTP/1.1"),
    ],
    ids=["length", "chunked", "expect", "1.0", "a GET with a body", "cut-out"],
)
async def test_who_announces_a_body_and_sends_nothing_hinders_nobody(server: Running, announced: bytes) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(9):
            idle = await stack.enter_async_context(wire(server.client))
            await idle.send(announced)
        await others_are_served(server)
        assert server.parts.bodies.held == 0


@pytest.mark.parametrize("patience", [Patience(room=1.0)])
async def test_an_address_that_fills_the_memory_gives_way(server: Running) -> None:
    greedy = head("Content-Length: 1000000", "X-Forwarded-For: 203.0.113.66")
    async with AsyncExitStack() as stack:
        uploads = [await stack.enter_async_context(wire(server.client)) for _ in range(9)]
        for upload in uploads:
            await upload.send(greedy + bytes(200 * KIB))
        await until(lambda: server.parts.bodies.held >= 600 * KIB)
        await others_are_served(server)
        large = json.dumps({"image_data": "A" * 600 * KIB, "style": "ink_wash"}).encode()
        async with wire(server.client) as other:
            await other.send(head(f"Content-Length: {len(large)}", "X-Forwarded-For: 198.51.100.9") + large)
            assert (await other.answer()).status in (415, 422), "it was read whole; it is no picture"
        refused = await uploads[-1].answer()
        assert (refused.status, refused.code) == (503, "at_capacity")
        assert int(refused.headers["retry-after"]) > 0
        assert server.parts.bodies.held <= 2 * MIB
    await until(lambda: server.parts.bodies.held == 0)


@pytest.mark.parametrize("patience", [Patience(pace=0.3)])
async def test_bodies_that_stop_or_drip_are_refused(server: Running) -> None:
    for begun in (head("Content-Length: 1000"), head("Transfer-Encoding: chunked") + b"1\r\nx\r\n"):
        async with wire(server.client) as slow:
            await slow.send(begun + b"")
            dripping = asyncio.create_task(drip(slow, b"1\r\nx\r\n"))
            answer = await slow.answer()
            assert (answer.status, answer.code) == (408, "request_too_slow")
            dripping.cancel()


@pytest.mark.parametrize("kind", ["json", "form", "urlencoded"])
async def test_while_a_picture_is_drawn_only_the_picture_counts(server: Running, kind: str) -> None:
    server.engine.gate.clear()
    padded = PHOTO64 + "\n" * 300 * KIB
    fields = {"style": "ink_wash", "session_id": "s1", "image_data": padded}
    kinds: dict[str, dict[str, Any]] = {
        "json": {"json": fields},
        "form": {"data": {"style": "ink_wash"}, "files": {"image": ("p.jpg", PHOTO)}},
        "urlencoded": {"data": fields},
    }
    asked = asyncio.create_task(server.client.post("/api/v1/generate", **kinds[kind]))
    await server.engine.begins()
    assert server.parts.bodies.held == len(PHOTO)
    server.engine.gate.set()
    assert (await asked).status_code == 200
    assert server.parts.bodies.held == 0


async def drip(connection: Wire, data: bytes) -> None:
    while True:
        await connection.send(data)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("patience", [Patience(pace=0.3)])
async def test_a_body_that_nobody_wants_is_not_awaited_for_ever(server: Running) -> None:
    async with wire(server.client) as connection:
        await connection.send(head("Content-Length: 1000000", request="POST /api/v1/styles HTTP/1.1"))
        assert (await connection.answer()).status == 405
        await connection.send(b"x" * 1000)
        assert await connection.is_closed()


async def test_a_refused_body_may_end_and_the_connection_lives_on(server: Running) -> None:
    async with wire(server.client) as connection:
        await connection.send(head("Content-Length: 300000", request="POST /api/v1/styles HTTP/1.1"))
        assert (await connection.answer()).status == 405
        await connection.send(bytes(300_000))
        await connection.send(HEALTH)
        assert (await connection.answer()).status == 200


async def test_continue_is_said_only_to_bodies_that_are_wanted(server: Running) -> None:
    expecting = head(f"Content-Length: {len(BODY)}", "Expect: 100-continue")
    async with wire(server.client) as connection:
        await connection.send(expecting)
        assert (await connection.answer()).status == 100
        await connection.send(BODY)
        assert (await connection.answer()).status == 200
    async with wire(server.client) as connection:
        await connection.send(head("Content-Length: 99999999", "Expect: 100-continue"))
        assert (await connection.answer()).status == 413


# ------------------------------------------------------------------ heads


ENDLESS = b"a" * 16 * KIB
ENDLESS_HEADS = {
    "one header": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", ENDLESS),
    "its name": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", ENDLESS),
    "many headers": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n" * 200),
    "folded": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: y\r\n", b" y\r\n" * 1000),
    "path": (b"GET /", ENDLESS),
    "method": (b"", ENDLESS),
    "chunk extension": (head("Transfer-Encoding: chunked") + b"1;", ENDLESS),
    "chunks of a byte": (head("Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 2000),
    "trailers": (head("Transfer-Encoding: chunked") + b"0\r\nX: ", ENDLESS),
    "many trailers": (head("Transfer-Encoding: chunked") + b"0\r\n", b"X: y\r\n" * 1000),
    "upgrade": (b"GET /api/v2/process HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: ", ENDLESS),
    "1.0": (b"GET /health HTTP/1.0\r\nX: ", ENDLESS),
    "blank lines": (b"", b"\r\n" * 1000),
}


@pytest.mark.parametrize("kind", ENDLESS_HEADS)
async def test_heads_without_an_end_are_refused(server: Running, kind: str) -> None:
    first, more = ENDLESS_HEADS[kind]
    async with wire(server.client) as connection:
        await connection.send(first)
        sending = asyncio.create_task(connection.send(more, 2000))
        answer = await connection.answer()
        assert answer.status in (0, 400, 431), answer
        assert await connection.is_closed()
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    await others_are_served(server)


async def test_large_heads_are_told_what_is_wrong(server: Running) -> None:
    cookies = ("Cookie: " + "c" * 5000,) * 10
    lines = tuple(f"X-{i}: y" for i in range(120))
    for more in (cookies, lines):
        async with wire(server.client) as connection:
            await connection.send(head(*more, request="GET /health HTTP/1.1"))
            answer = await connection.answer()
            assert (answer.status, answer.code) == (431, "head_too_large")
            assert answer.headers["content-type"] == "application/problem+json"
    async with wire(server.client) as connection:
        await connection.send(head("Cookie: " + "c" * 20_000, request="GET /health HTTP/1.1"))
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nOrigin: http://localhost\r\nOrigin: https://evil.com\r\n\r\n", 400),
        (b"GET /api/v2/process HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n"
         b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         b"Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_heads_of_two_meanings_are_refused(server: Running, sent: bytes, status: int) -> None:
    async with wire(server.client) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        assert answer.status == status
        if status == 400:
            assert answer.code == "malformed_head"
            assert await connection.is_closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", 0), (b"GET /he", 408), (HEALTH[:-2], 408), (b"\r\n", 0)],
    ids=["silence", "half a line", "half a head", "a blank line"],
)
@pytest.mark.parametrize("patience", [Patience(head=0.3)])
async def test_a_head_has_its_time(server: Running, sent: bytes, status: int) -> None:
    for before in (b"", HEALTH):
        async with wire(server.client) as connection:
            if before:
                await connection.send(before)
                assert (await connection.answer()).status == 200
            if sent or not before:  # silence after an answer is a connection that is kept
                await connection.send(sent)
                assert (await connection.answer()).status == status
                assert await connection.is_closed()


@pytest.mark.parametrize("patience", [Patience(head=0.2)])
async def test_slow_clients_are_told_of_once(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        async with wire(server.client) as connection:
            await connection.send(b"GET /he")
            assert (await connection.answer()).status == 408
    assert [record.message for record in caplog.records if "slowly" in record.message] == [
        "127.0.0.1: sends its head too slowly (told once a minute)"
    ]


# ------------------------------------------------------------------ connections


async def test_requests_in_a_row_are_answered_in_order(server: Running) -> None:
    async with wire(server.client) as connection:
        await connection.send(HEALTH * 3 + WHOLE + HEALTH)
        assert [(await connection.answer()).status for _ in range(5)] == [200] * 5


async def test_requests_without_end_in_one_connection_end_it(server: Running) -> None:
    server.engine.gate.clear()
    async with wire(server.client) as connection:
        await connection.send(WHOLE)
        await server.engine.begins()
        await connection.send(HEALTH * 5000)
        assert await connection.is_closed()
    server.engine.gate.set()
    await others_are_served(server)


async def test_connections_beyond_the_limit_cost_the_longest_idle_ones() -> None:
    async with running(HttpSettings(max_connections=10)) as server, AsyncExitStack() as stack:
        half = [await stack.enter_async_context(wire(server.client)) for _ in range(40)]
        for connection in half:
            await connection.send(b"GET /he")
        await others_are_served(server)
        assert await half[0].is_closed()


async def test_sockets_of_unknown_clients_count_as_idle(home: Path) -> None:
    async with running(secured(home, max_connections=10)) as server, AsyncExitStack() as stack:
        for _ in range(40):
            connection = await stack.enter_async_context(wire(server.client))
            await connection.send((HANDSHAKE + "\r\n").encode())
            assert (await connection.answer()).status == 101
        assert (await server.client.get("/health")).status_code == 200
        assert (await server.generate(headers={"X-API-Key": API_KEY})).status_code == 200


async def test_what_is_not_http_is_told_once(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        async with wire(server.client) as connection:
            await connection.send(b"\x16\x03\x01 hello\r\n\r\n")
            assert (await connection.answer()).status == 400
    assert len([record for record in caplog.records if "HTTP" in record.message]) == 1


async def test_no_line_of_the_log_has_a_link_however_it_is_mangled(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "perkie")
    link = (await server.generate()).json()["image_url"]
    token = link.rpartition("/")[2]
    mangled = ("/images/{}", "/images//{}", "//images/{}", "/images/{}/", "/IMAGES/{}", "/%69mages/{}", "/images%2F{}",
               "/x/images/{}", "/images/./{}", "/images/a/{}/b", "/{}", "/image/{}")  # fmt: skip
    for path in mangled:
        for secret in (token, "canary"):
            async with wire(server.client) as connection:
                await connection.send(f"GET {path.format(secret)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert (await connection.answer()).status in (200, 404)
    assert token[:30] not in caplog.text
    assert "canary" not in caplog.text.replace("GET /canary", "")


@pytest.mark.parametrize("setting", ["time", pytest.param("memory", marks=pytest.mark.slow)])  # half a minute
async def test_answers_that_nobody_reads_are_dropped(setting: str) -> None:
    patience = Patience(unread=0.5) if setting == "time" else None
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1500, 3), dtype=np.uint8)
    picture = {"image": ("p.jpg", file_of(Image.fromarray(noise), quality=95))}
    settings = HttpSettings(max_body=ByteCount(8 * MIB), max_bodies=ByteCount(9 * MIB))
    async with running(settings, patience=patience) as server:
        made = await server.client.post("/api/v1/generate", data={"style": "ink_wash"}, files=picture)
        path = made.json()["image_url"].removeprefix(str(server.client.base_url).rstrip("/"))
        async with AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(wire(server.client)) for _ in range(6)]
            for reader in readers:
                reader.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a reading transport
                await reader.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 8)
            stalled = 0 if setting == "time" else len(readers) - 1
            await until(lambda: len(server.server.server_state.connections) <= 1 + stalled)
            await others_are_served(server)
