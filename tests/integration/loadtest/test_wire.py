"""What is sent is what other people's servers read; photos are distinct, whole and cheap."""

import hashlib
import io
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from PIL import Image

from perkie_cli.loadtest.generator.choices import Choice
from perkie_cli.loadtest.generator.connection import Connections, Exchange
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.photos import Photos
from perkie_cli.loadtest.scenario import RAW, Call
from tests.loadtest import scenario

POOL = Photos(256, 7)
CHOICE = Choice(12, 0, 5, 3)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[str, list[tuple[web.Request, bytes, dict[str, bytes]]]]]:
    """aiohttp's server, which keeps what it read: request, body, fields of a form."""
    seen: list[tuple[web.Request, bytes, dict[str, bytes]]] = []

    async def take(request: web.Request) -> web.Response:
        fields: dict[str, bytes] = {}
        body = b""
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                assert not isinstance(part, type(None))
                fields[str(getattr(part, "name", ""))] = bytes(await part.read())  # type: ignore[union-attr]
        else:
            body = await request.read()
        seen.append((request, body, fields))
        return web.Response(text="ok")

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def send(call: Call, base: str = "") -> tuple[web.Request, bytes, dict[str, bytes]]:
    import asyncio

    async with echoing() as (url, seen):
        target = urlsplit(url + base)
        ended = asyncio.get_running_loop().create_future()
        connections = Connections(target, asyncio.get_running_loop().time)
        exchange = Exchange(CHOICE, 0, 0.0, ended.set_result)
        exchange.payload = Message(call, target, POOL, {"x-api-key": "k"}).payload(CHOICE, "run")
        connections.send(exchange, 10.0)
        await ended
        await connections.aclose()
    assert (exchange.status, exchange.failure) == (200, "")
    assert scenario().calls
    return seen[0]


async def test_a_form_carries_its_fields_and_the_photo() -> None:
    call = Call("a", "/p", "POST", form={"style": "ink_wash", "customer_id": "{customer}"}, photo="image")
    request, _, fields = await send(call)
    assert fields == {"style": b"ink_wash", "customer_id": b"load-run-3", "image": POOL.photo(5)}
    assert request.headers["X-Api-Key"] == "k"
    assert request.headers["User-Agent"].startswith("perkie-load-test/")


async def test_names_of_fields_are_quoted_as_browsers_do() -> None:
    _, _, fields = await send(Call("a", "/p", "POST", form={'a "b"': "1"}, photo='f"'))
    assert set(fields) == {"a %22b%22", "f%22"} or set(fields) == {'a "b"', 'f"'}


async def test_json_carries_the_photo_in_base64_beside_texts_of_any_kind() -> None:
    table = {"style": "ink_wash", "note": 'quo"te é \\ {session}', "deep": {"n": ["{n}"]}}
    request, body, _ = await send(Call("a", "/p", "POST", json=table, photo="image_data"))
    found = json.loads(body)
    assert b64decode(found.pop("image_data"), validate=True) == POOL.photo(5)
    assert found == {"style": "ink_wash", "note": 'quo"te é \\ load-run-3', "deep": {"n": ["12"]}}
    assert request.content_type == "application/json"


async def test_a_raw_photo_is_the_whole_body() -> None:
    request, body, _ = await send(Call("a", "/p?format=jpg", "POST", photo=RAW))
    assert body == POOL.photo(5)
    assert (request.content_type, request.query_string) == ("image/jpeg", "format=jpg")


async def test_a_get_has_no_body_and_slots_in_its_address_and_the_base_path_is_kept() -> None:
    request, body, _ = await send(Call("a", "/q/{n}?s={session}", headers={"Accept": "a/b"}), "/apps/perkie/")
    assert (request.method, request.raw_path, body) == ("GET", "/apps/perkie/q/12?s=load-run-3", b"")
    assert request.headers["Accept"] == "a/b"
    assert "Content-Length" not in request.headers


def test_every_photo_is_another_and_all_of_them_are_whole() -> None:
    sent = [POOL.photo(number) for number in range(200)]
    assert len({hashlib.sha256(photo).digest() for photo in sent}) == 200
    shown = set()
    for photo in sent[: POOL.drawings]:
        with Image.open(io.BytesIO(photo)) as picture:
            picture.load()
            assert picture.size == (256, 192)
            shown.add(picture.tobytes())
    assert len(shown) == POOL.drawings, "each drawing shows another pet"
    assert sent == [Photos(256, 7).photo(number) for number in range(200)], "the seed decides"
    assert sent[0] != Photos(256, 8).photo(0)


@pytest.mark.parametrize(("side", "drawings"), [(256, 24), (1024, 24), (2048, 12)])
def test_of_large_photos_fewer_are_drawn(side: int, drawings: int) -> None:
    assert Photos(side, 1).drawings == drawings
