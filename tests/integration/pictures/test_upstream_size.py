"""Answers of upstreams are bounded: on the wire, unpacked, and as JSON."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from pathlib import Path

import httpx2
import pytest

from perkie_cli.domain.errors import BadAnswer, StoreUnavailable, UpstreamRefused
from perkie_cli.domain.secret import Secret
from perkie_cli.engines import bounded
from perkie_cli.engines.bounded import AnswerTooLarge, read_bounded
from perkie_cli.engines.gemini.client import Access
from perkie_cli.stores.downloads import HttpDownloads
from tests.clock import ManualClock
from tests.contract.blob_stores import BUCKET, GcsOpener, stored
from tests.gemini_answers.build import GOOD, Row, parts
from tests.gemini_answers.server import answering
from tests.gemini_bench import KEY, bench
from tests.scripted_server import Behaviour, Handler, answers, scripted

MIB = 1024 * 1024
ZEROS = bytes(300 * MIB)  # three times what is read
BOMB = gzip.compress(ZEROS, 1)  # a megabyte; every worker makes it when it collects tests
FITS, LARGE = (f"originals/temp/s1/{letter * 64}.jpg" for letter in "ab")
LISTS = b'{"candidates":[' + b"[[]]," * 3 * MIB + b"1]}"


def endless(handler: Handler, _: bytes) -> None:
    """A chunked answer that never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"100000\r\n" + bytes(MIB) + b"\r\n")


def packed(data: bytes, encoding: str = "gzip", kind: str = "application/json") -> Behaviour:
    return answers(200, data, content_encoding=encoding, content_type=kind)


async def read(behaviour: Behaviour) -> httpx2.Response:
    with scripted(behaviour) as server:
        async with httpx2.AsyncClient(event_hooks={"response": [read_bounded]}) as client:
            return await client.get(server.url)


@pytest.mark.parametrize(
    "behaviour",
    [
        endless,
        packed(BOMB),
        packed(zlib.compress(ZEROS, 1), "deflate"),
        packed(BOMB, kind="image/png"),
        answers(200, LISTS, content_type="application/json"),
        answers(500, LISTS, content_type="text/html"),
        packed(gzip.compress(LISTS)),
    ],
    ids=["endless", "gzip bomb", "deflate bomb", "packed picture", "lists", "lists as a page", "packed lists"],
)
async def test_what_is_too_large_is_not_read(behaviour: Behaviour) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge):
            await read(behaviour)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * bounded.ANSWER_BYTES


@pytest.mark.parametrize(
    "behaviour",
    [
        packed(BOMB, "gzip, gzip"),
        packed(b"x", "br"),
        packed(b"not gzip"),
        packed(gzip.compress(b"{}" * 1000)[:-9]),
    ],
    ids=["twice", "unasked", "damaged", "cut off"],
)
async def test_what_does_not_unpack_is_an_error_of_the_client(behaviour: Behaviour) -> None:
    with pytest.raises(httpx2.DecodingError):
        await read(behaviour)


async def test_the_loop_goes_on_while_a_bomb_is_unpacked() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    with pytest.raises(AnswerTooLarge):
        await read(packed(BOMB))
    counting.cancel()
    assert turns > bounded.ANSWER_BYTES // MIB / 2


async def test_usual_answers_are_read_whole() -> None:
    large = json.dumps({"data": "A" * 20 * MIB, "more": [{"a": '\\u00e4 "'}] * 100}).encode()
    assert (await read(packed(gzip.compress(large, 1)))).content == large
    assert (await read(packed(zlib.compress(b"{}"), "deflate"))).json() == {}
    assert (await read(answers(200, b"[" * 1000))).content == b"[" * 1000, "small ones may be anything"
    assert (await read(answers(204))).content == b""


async def test_a_download_without_end_does_not_fill_the_disk(tmp_path: Path) -> None:
    part = tmp_path / "weights.part"
    with scripted(endless) as server:
        for _ in range(2):
            with pytest.raises(UpstreamRefused, match="larger than"):
                await HttpDownloads(3 * MIB).fetch(server.url, part, lambda *_: None)
            assert part.stat().st_size == 0


async def test_an_object_that_is_no_picture_is_not_read() -> None:
    opener = await GcsOpener(ManualClock()).start()
    try:
        store = opener.connect(ManualClock(), BUCKET, largest=MIB)
        for key, size in ((FITS, MIB), (LARGE, MIB + 1)):
            await store.put(key, bytes(size), content_type="image/png", metadata={})
        assert len((await stored(store, FITS)).data) == MIB
        with pytest.raises(StoreUnavailable, match="no picture"):
            await store.get(LARGE)
    finally:
        await opener.aclose()


@pytest.mark.parametrize("headers", [{"content-encoding": "gzip"}, {}], ids=["bomb", "lists"])
async def test_gemini_may_send_what_it_likes(tmp_path: Path, headers: dict[str, str]) -> None:
    async with answering() as server:
        server.rows = [
            *[Row("too large", BOMB if headers else LISTS, BadAnswer, headers=headers)] * 2,
            Row("ok", gzip.compress(parts(GOOD)), (0, 0, 0), headers={"content-encoding": "gzip"}),
        ]
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as gemini:
            with pytest.raises(BadAnswer, match="not read"):
                await gemini.draw()
            assert server.calls == 2
            assert (await gemini.draw()).engine == "gemini"
