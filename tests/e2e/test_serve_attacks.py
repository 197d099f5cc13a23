"""A server process under everything at once that one visitor can send: memory stays bounded, others are served."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.test_serve_soak import handles, peak
from tests.integration.http.test_http_socket import HANDSHAKE, frame
from tests.pictures import file_of, photo
from tests.raw_http import Wire, head, wire
from tests.serving import ServerProcess, perkie_serve

MIB = 1024 * 1024
SETTINGS = {
    "PERKIE_HTTP_MAX_BODY": "8MiB",
    "PERKIE_HTTP_MAX_IMAGE": "6MiB",
    "PERKIE_HTTP_MAX_BODIES": "24MiB",
    "PERKIE_HTTP_MAX_CONNECTIONS": "200",
    "PERKIE_HTTP_RATE_IP": "1000000",
    "PERKIE_HTTP_RATE_BURST": "1000000",
    "PERKIE_HTTP_TRUSTED_HOPS": "1",
}
# All bodies, and for the one that is parsed its text and what is made of it; the rest is for the connections' own
# buffers and the allocator.
BOUND = (24 + 4 * 8 + 100) * MIB
FULL = 8 * MIB - 1024
JPEG = base64.b64encode(file_of(photo(256, 256))).decode()


def padded(begin: bytes, piece: bytes, end: bytes) -> bytes:
    """As large as a body may be."""
    return begin + piece * ((FULL - len(begin) - len(end)) // len(piece)) + end


def multipart(piece: bytes) -> bytes:
    return padded(b"", piece, b"--b--\r\n")


PICTURE = b'{"style":"ink_wash","image_data":"' + JPEG.encode() + b'",'
FORM = "Content-Type: multipart/form-data; boundary=b"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"
FIELD = b'--b\r\nContent-Disposition: form-data; name="image_data"\r\n\r\n'
BODIES: dict[str, tuple[str, bytes]] = {
    "lists": ("", padded(PICTURE + b'"x":[', b"[[]],", b"1]}")),
    "objects": ("", padded(PICTURE + b'"x":[', b'{"a":{}},', b"1]}")),
    "strings": ("", padded(PICTURE + b'"x":[', b'"",', b"1]}")),
    "names": ("", padded(PICTURE, b'"":1,', b'"x":1}')),
    "number": ("", padded(PICTURE + b'"x":', b"9", b"}")),
    "deep": ("", padded(PICTURE + b'"x":', b"[", b"")),
    "blanks": ("", padded(PICTURE, b" ", b'"x":1}')),
    "escapes": ("", padded(b'{"style":"ink_wash","image_data":"', b"\\u0041", b'"}')),
    "wide": ("", padded(b'{"style":"ink_wash","image_data":"\xf0\x9f\x90\xb1', b"A", b'"}')),
    "quotes": ("", padded(b'{"style":"ink_wash","image_data":"', b'\\"', b'"}')),
    "percent": ("", padded(b'{"style":"ink_wash","image_data":"data:,', b"%41", b'"}')),
    "percent signs": ("", padded(b'{"style":"ink_wash","image_data":"data:,', b"%", b'"}')),
    "spaces": ("", padded(b'{"style":"ink_wash","image_data":"', b"AA A", b'"}')),
    "packed": ("Content-Encoding: gzip", gzip.compress(bytes(100 * MIB))),
    "form of percents": (URLENCODED, padded(b"style=ink_wash&image_data=", b"%41", b"")),
    "form of fields": (URLENCODED, padded(b"", b"a=&", b"")),
    "many parts": (FORM, multipart(FIELD + b"x\r\n")),
    "part headers": (FORM, multipart(b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n\r\n")),
    "a long header": (FORM, padded(b"--b\r\nX: ", b"y", b"\r\n\r\n--b--\r\n")),
    "a wide field": (FORM, padded(FIELD + b"\xf0\x9f\x90\xb1", b"A", b"\r\n--b--\r\n")),
    "punycode": (FORM + "; charset=punycode", padded(FIELD + b"-", b"a", b"\r\n--b--\r\n")),
    "near boundaries": (FORM, padded(FIELD, b"\r\n--a", b"\r\n--b--\r\n")),
    "no end": (FORM, padded(FIELD, b"A", b"")),
    "epilogue": (FORM, padded(FIELD + b"A\r\n--b--\r\n", b"x", b"")),
}


async def send_body(connection: Wire, kind: str) -> int:
    more, body = BODIES[kind]
    lines = [f"Content-Length: {len(body)}", "X-Forwarded-For: 203.0.113.66", *filter(None, [more])]
    await connection.send(head(*lines).replace(b"Content-Type: application/json\r\n", b"", "Content-Type" in more))
    await connection.send(body)
    return (await connection.answer()).status


async def send_chunks(connection: Wire) -> int:
    """A body of unknown length and without end."""
    await connection.send(head("Transfer-Encoding: chunked") + b'5\r\n{"a":\r\n')
    sending = asyncio.create_task(connection.send(b"10000\r\n" + bytes(65536) + b"\r\n", 10_000))
    status = (await connection.answer()).status
    sending.cancel()
    return status


def held(data: bytes, more: bytes = b"") -> Callable[[Wire], Coroutine[Any, Any, int]]:
    """Sends, and then nothing more."""

    async def hold(connection: Wire) -> int:
        await connection.send(data)
        await connection.send(more, 100)
        await asyncio.sleep(3)
        return 0

    return hold


Attack = str | Callable[[Wire], Coroutine[Any, Any, int]]  # a body's name, or what is done with a connection
HELD: list[Attack] = [
    held(head("Content-Length: 8000000")),
    held(head("Transfer-Encoding: chunked")),
    held(head("Content-Length: 8000000") + bytes(3 * MIB)),
    held(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 100_000),
    held(b"GET /he"),
    held((HANDSHAKE + "\r\n").encode() + frame(b"", announced=7 * MIB), bytes(70_000)),
    held((HANDSHAKE + "\r\n").encode(), frame(b"{", last=False) + frame(b" ", 0, last=False) * 5000),
    held(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 1000, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" * 1000),
]


async def test_memory_is_bounded_and_others_are_served_whatever_one_visitor_sends(tmp_path: Path) -> None:
    with perkie_serve(tmp_path, env=SETTINGS) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=100) as client:
            assert (await post(client, 1)).status_code == 200  # imports are paid for
            before, open_before = peak(server), handles(server)
            attacks: list[Attack] = [*BODIES, send_chunks, *HELD] * 4
            attack = asyncio.gather(*(attacked(client, each) for each in attacks))
            served: list[int] = []
            while not attack.done():
                served.append((await client.get("/health")).status_code)
                served.append((await post(client, len(served))).status_code)
            statuses = await attack
            assert set(served) == {200}, server.log
            assert len(served) > 10
            assert set(statuses) <= {0, 400, 408, 413, 415, 422, 431, 503}, set(statuses)
            assert peak(server) - before < BOUND, f"{(peak(server) - before) / MIB:.0f} MiB more"
            async with asyncio.timeout(60):
                while handles(server) > open_before + 5:  # noqa: ASYNC110  # seen from outside only
                    await asyncio.sleep(0.1)
    assert "Traceback" not in server.log


async def test_a_server_of_few_open_files_takes_fewer_connections(tmp_path: Path) -> None:
    own = {f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    few = [
        "bash",
        "-c",
        'ulimit -n 300 && exec "$@"',
        "few",
        sys.executable,
        "-m",
        "perkie_cli",
        "serve",
        "--port",
        "0",
    ]
    server = ServerProcess(few, {**own, "HOME": str(tmp_path)})
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=100) as client, AsyncExitStack() as stack:
            for _ in range(600):
                half = await stack.enter_async_context(wire(client))
                await half.send(b"GET /he")
            assert (await client.get("/health")).status_code == 200
            assert (await post(client, 1)).status_code == 200
    finally:
        assert server.stop() == 0
    assert "Too many open files" not in server.log


async def attacked(client: httpx.AsyncClient, what: Attack) -> int:
    with suppress(ConnectionError):
        async with wire(client) as connection:
            return await (send_body(connection, what) if isinstance(what, str) else what(connection))
    return 0


async def post(client: httpx.AsyncClient, number: int) -> httpx.Response:
    body = {"image_data": JPEG, "style": "bw_fine_art", "session_id": f"s{number}"}
    return await client.post("/api/v1/generate", content=json.dumps(body), headers={
        "Content-Type": "application/json", "X-Forwarded-For": "198.51.100.7"
    })  # fmt: skip
