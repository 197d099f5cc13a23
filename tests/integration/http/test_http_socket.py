"""The WebSocket's door: little is read before its sender is known, and messages count like bodies."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets
from websockets.typing import Subprotocol

from perkie_cli.config.schema import ByteCount, HttpSettings
from perkie_cli.http.limits.patience import Patience
from perkie_cli.http.wire.websocket import DOOR_BYTES, GuardedWebSocket
from tests.http_server import API_KEY, PHOTO64, Running, running, secured
from tests.pictures import file_of, photo
from tests.raw_http import Wire, wire

KIB, MIB = 1024, 1024 * 1024
TEXT, CONTINUED, PING = 1, 0, 9
BODY = json.dumps({"image_data": PHOTO64, "styles": "modern"})
HANDSHAKE = (
    "GET /api/v2/process HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n"
)
KNOWN = f"X-API-Key: {API_KEY}\r\n"


@pytest.fixture
def patience() -> Patience:
    """Of the server; some tests have less of it."""
    return Patience()


@pytest.fixture
async def server(home: Path, patience: Patience) -> AsyncIterator[Running]:
    settings = secured(home, max_body=ByteCount(2 * MIB), max_bodies=ByteCount(4 * MIB))
    async with running(settings, patience=patience) as made:
        yield made


def frame(data: bytes, kind: int = TEXT, *, last: bool = True, announced: int | None = None) -> bytes:
    """Masked with zeros; ``announced`` bytes instead of those that follow."""
    size = len(data) if announced is None else announced
    first = bytes([(0x80 if last else 0) | kind])
    if size < 126:
        return first + bytes([0x80 | size]) + bytes(4) + data
    return first + bytes([0x80 | 127]) + struct.pack(">Q", size) + bytes(4) + data


async def shaken(connection: Wire, *headers: str) -> int:
    """Says hello; returns the status."""
    await connection.send((HANDSHAKE + "".join(headers) + "\r\n").encode())
    return (await connection.answer()).status


async def closing(connection: Wire) -> int:
    """The code of the close frame; 0: closed without one. Other frames are dropped."""
    try:
        async with asyncio.timeout(60):
            while True:
                first, size = await connection.reader.readexactly(2)
                if size == 126:
                    (size,) = struct.unpack(">H", await connection.reader.readexactly(2))
                data = await connection.reader.readexactly(size)
                if first & 15 == 8:
                    return int.from_bytes(data[:2], "big")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0


def connect(server: Running, *protocols: str, **headers: str) -> websockets.connect:
    url = f"{server.client.base_url}/api/v2/process".replace("http", "ws", 1)
    return websockets.connect(
        url,
        max_size=None,
        open_timeout=60,
        ping_timeout=None,
        additional_headers=headers,
        subprotocols=[Subprotocol(each) for each in protocols] or None,
    )


async def events(socket: websockets.ClientConnection) -> list[str]:
    return [json.loads(message)["event"] async for message in socket]


WHOLE = ["accepted", "cutout", "style", "done"]


# ------------------------------------------------------------------ credentials


async def test_credentials_come_with_the_handshake_or_before_anything_else(server: Running) -> None:
    large = json.dumps({"image_data": PHOTO64 + "\n" * 200 * KIB, "styles": "modern"})
    async with connect(server, **{"X-API-Key": API_KEY}) as socket:
        await socket.send(large)
        assert await events(socket) == WHOLE
    token = server.parts.authenticator.tokens
    assert token is not None
    minted = token.mint("42", "x.myshopify.com", server.services.clock.now()).token
    async with connect(server, "perkie", f"bearer.{minted}") as socket:
        assert socket.subprotocol == "perkie", "the token is not sent back"
        await socket.send(large)
        assert await events(socket) == WHOLE
    async with connect(server) as socket:
        await socket.send(json.dumps({"token": API_KEY}))
        assert json.loads(await socket.recv())["event"] == "ready"
        await socket.send(large)
        assert await events(socket) == WHOLE


@pytest.mark.parametrize(
    ("protocols", "headers", "status"),
    [
        ((), {"X-API-Key": "guessed"}, 401),
        ((), {"Authorization": "Bearer guessed"}, 401),
        (("perkie", "bearer.guessed"), {}, 401),
        (("perkie", "bearer."), {}, 401),
        ((), {"X-API-Key": "last year's key"}, 401),
    ],
)
async def test_wrong_credentials_do_not_pass_the_door(
    server: Running, protocols: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(server, *protocols, **headers):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["type"].endswith("not_authorised")


async def test_foreign_pages_do_not_pass_the_door_of_an_open_server() -> None:
    async with running() as server:
        for headers in ({"Origin": "https://evil.com"}, {"Origin": "https://x.myshopify.com"}):
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with connect(server, **headers):
                    pass
            assert refused.value.response.status_code == 403
        async with connect(server, Origin="http://localhost:3000") as socket:
            await socket.send(BODY)
            assert await events(socket) == WHOLE


@pytest.mark.parametrize("size", [DOOR_BYTES + 1, 28 * MIB, 2**62], ids=["a bit more", "much", "absurd"])
async def test_who_is_unknown_may_not_send_much(server: Running, size: int) -> None:
    async with wire(server.client) as connection:
        assert await shaken(connection) == 101
        await connection.send(frame(b"", announced=size))
        assert await closing(connection) == 1009


@pytest.mark.parametrize("patience", [Patience(token=0.3)])
async def test_who_is_unknown_may_not_wait_long(server: Running) -> None:
    async with connect(server) as socket:
        problem = json.loads(await socket.recv())["data"]
    assert problem["status"] == 408


# ------------------------------------------------------------------ messages


async def test_messages_are_not_compressed(server: Running) -> None:
    async with wire(server.client) as connection:
        await connection.send((HANDSHAKE + KNOWN + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").encode())
        answer = await connection.answer()
        assert answer.status == 101
        assert "sec-websocket-extensions" not in answer.headers
        await connection.send(bytes([0x80 | 0x40 | TEXT]) + frame(b"x")[1:])
        assert await closing(connection) == 1002


@pytest.mark.parametrize("patience", [Patience(room=0.1)])
async def test_messages_count_like_bodies(server: Running) -> None:
    held = server.parts.bodies
    async with wire(server.client) as first, wire(server.client) as second, wire(server.client) as third:
        sockets = (first, second, third)
        for connection in sockets:
            assert await shaken(connection, KNOWN) == 101
            await connection.send(frame(bytes(MIB), announced=2 * MIB - 1))
        assert await closing(third) == 1013, "try again later"
        assert MIB <= held.held <= 4 * MIB
    async with asyncio.timeout(60):
        while held.held:  # noqa: ASYNC110  # seen from outside only
            await asyncio.sleep(0.01)


async def test_fragments_are_few(server: Running) -> None:
    async with wire(server.client) as connection:
        assert await shaken(connection, KNOWN) == 101
        await connection.send(frame(b"{", last=False))
        await connection.send(frame(b" ", CONTINUED, last=False) * 10_000)
        assert await closing(connection) == 1008
    async with wire(server.client) as connection:
        assert await shaken(connection, KNOWN) == 101
        pieces = [BODY.encode()[at : at + 1000] for at in range(0, len(BODY), 1000)]
        await connection.send(frame(pieces[0], last=False))
        for piece in pieces[1:]:
            await connection.send(frame(piece, CONTINUED, last=False))
        await connection.send(frame(b"", CONTINUED))
        assert await closing(connection) == 1000


@pytest.mark.parametrize("begun", [frame(b"", announced=MIB), frame(b"{", last=False)], ids=["frame", "fragment"])
@pytest.mark.parametrize("patience", [Patience(pace=0.3)])
async def test_a_message_keeps_up_its_pace(server: Running, begun: bytes) -> None:
    async with wire(server.client) as connection:
        assert await shaken(connection, KNOWN) == 101
        await connection.send(begun)
        header = await connection.reader.readexactly(4)
        told = json.loads(await connection.reader.readexactly(int.from_bytes(header[2:], "big")))
        assert (told["event"], told["data"]["status"]) == ("error", 408)
        assert await closing(connection) == 1000


HOSTILE = {
    "lists": b'{"a":[' + b"[[]]," * 200_000 + b"1]}",
    "deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "number": b'{"a":' + b"1" * MIB + b"}",
    "names": b"{" + b'"a":1,' * 100_000 + b'"a":1}',
    "twice": b'{"styles":"modern","styles":"modern"}',
    "surrogate": b'{"styles":"\\ud800"}',
    "nul": b'{"styles":"\0"}',
    "no text": b"\xff\xfe",
    "astral": json.dumps({"image_data": "\U0001f431" * 1000}).encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_messages_are_refused(server: Running, kind: str) -> None:
    for data in (HOSTILE[kind], HOSTILE[kind].decode("latin-1")):
        async with connect(server, **{"X-API-Key": API_KEY}) as socket:
            await socket.send(data)
            told = json.loads(await socket.recv())
        assert told["event"] == "error"
        assert told["data"]["status"] in (400, 422)
    assert server.engine.calls == 0


async def test_messages_without_end_are_stopped(server: Running) -> None:
    async with wire(server.client) as connection:
        assert await shaken(connection, KNOWN) == 101
        await connection.send(frame(b"") * 1000)
        assert await closing(connection) in (0, 1000, 1008)


# without credentials it ends with the time limit of the first message, after half a minute
@pytest.mark.parametrize("known", [pytest.param("", marks=pytest.mark.slow), KNOWN], ids=["unknown", "known"])
async def test_pings_whose_answers_nobody_reads_are_not_hoarded(server: Running, known: str) -> None:
    async with wire(server.client) as connection:
        assert await shaken(connection, known) == 101
        (socket,) = (each for each in server.server.server_state.connections if isinstance(each, GuardedWebSocket))
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a reading transport
        sending = asyncio.create_task(connection.send(frame(bytes(100), PING) * 1000, 10_000))
        for _ in range(300):
            await asyncio.sleep(0.01)
            assert socket.transport.is_closing() or socket.transport.get_write_buffer_size() < MIB
        sending.cancel()
        assert (await server.client.get("/health")).status_code == 200


async def test_a_large_photo_comes_whole(home: Path) -> None:
    async with running(HttpSettings()) as server, connect(server) as socket:
        picture = file_of(photo(640, 560)) + bytes(6 * MIB)
        import pybase64

        await socket.send(json.dumps({"image_data": pybase64.b64encode(picture).decode(), "styles": "modern"}))
        assert await events(socket) == WHOLE
        assert server.parts.bodies.held == 0
