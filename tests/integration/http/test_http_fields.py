"""One rule for names, lists and repeats in forms, JSON and queries; odd but honest bodies are taken."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from perkie_cli.config.schema import ByteCount, CacheSettings, HttpSettings, Settings
from tests.http_server import PHOTO, PHOTO64, Running, running, secured

JSON = {"Content-Type": "application/json"}
TWO = ["ink_wash", "bw_fine_art"]


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as made:
        yield made


def form(*fields: tuple[str, str], file: str = 'name="image"; filename="a.jpg"') -> dict[str, Any]:
    """A multipart body with the photo and these fields as they stand."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    photo = f"--x\r\nContent-Disposition: form-data; {file}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    body = "".join(parts).encode() + photo + PHOTO + b"\r\n--x--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def refused(answer: httpx.Response, said: str) -> bool:
    body = answer.json()
    assert (answer.status_code, body["type"]) == (422, "urn:perkie:problem:invalid_fields"), body
    told = f"{body['detail']} {body.get('hint', '')}"
    assert said in told, told
    return True


@pytest.mark.parametrize(
    "fields",
    [
        [("styles", "ink_wash"), ("styles", "bw_fine_art")],
        [("styles[]", "ink_wash"), ("styles[]", "bw_fine_art")],
        [("styles[0]", "ink_wash"), ("styles[1]", "bw_fine_art")],
        [("styles", "ink_wash"), ("styles[]", "bw_fine_art")],
        [("styles", "ink_wash, bw_fine_art")],
    ],
)
async def test_every_way_to_write_a_list_is_the_same_list(server: Running, fields: list[tuple[str, str]]) -> None:
    for path in ("/api/v1/batch-generate", "/api/v2/process"):
        answer = await server.client.post(path, **form(*fields))
        assert [each["style"] for each in answer.json()["results"]] == TWO, answer.text
    encoded = await server.client.post(
        "/api/v1/batch-generate",
        content=urlencode([*fields, ("image_data", PHOTO64)]),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert [each["style"] for each in encoded.json()["results"]] == TWO


async def test_a_list_of_json_is_the_same_list(server: Running) -> None:
    for styles in (TWO, "ink_wash,bw_fine_art"):
        answer = await server.client.post("/api/v1/batch-generate", json={"image_data": PHOTO64, "styles": styles})
        assert [each["style"] for each in answer.json()["results"]] == TWO


WRONG: list[tuple[str, list[tuple[str, str]], str]] = [
    ("/api/v1/generate", [("style", "ink_wash"), ("style", "bw_fine_art")], "style: one value is expected, but 2 were"),
    ("/api/v1/generate", [("style[]", "ink_wash")], "style: one value is expected, not a list"),
    ("/api/v1/generate", [("style", "ink_wash"), ("sesion_id", "s1")], "Did you mean 'session_id'?"),
    ("/api/v1/generate", [("style", "ink_wash"), ("session_id", "s1"), ("session_id", "s2")], "session_id: one value"),
    ("/api/v1/generate", [("style", "ink_wash"), ("remove_background", "maybe")], "remove_background"),
    ("/api/v1/generate", [("style", "ink_wash"), ("image", PHOTO64)], "image was sent twice"),
    ("/api/v1/generate", [("style", "ink_wash"), ("image_data", PHOTO64)], "image and image_data were both sent"),
    ("/api/v1/batch-generate", [("style", "ink_wash")], "Did you mean 'styles'?"),
    ("/api/v2/process", [("strategy", "hybrid"), ("strategy", "hybrid")], "strategy: one value"),
    ("/api/v2/process", [("stratgy", "hybrid")], "Did you mean 'strategy'?"),
    ("/remove-background", [("background", "#fff")], "background: there is no such field"),
    ("/api/storage/upload", [("orignal", PHOTO64)], "Did you mean 'original'?"),
]


async def test_what_is_unknown_or_repeated_is_refused_before_anything_is_spent(server: Running) -> None:
    for path, fields, said in WRONG:
        assert refused(await server.client.post(path, **form(*fields)), said)
    twice = form(("style", "ink_wash"))
    twice["content"] = twice["content"].replace(b"--x--\r\n", b"") + form()["content"]
    assert refused(await server.client.post("/api/v1/generate", **twice), "image was sent twice")
    named = form(("style", "ink_wash"), file='name="photo"; filename="a.jpg"')
    assert refused(await server.client.post("/api/v1/generate", **named), "photo: no file is expected under this name")
    assert (server.engine.calls, server.matting.calls) == (0, 0)


BODIES: list[tuple[dict[str, Any], str]] = [
    ({"style": "ink_wash", "sesion_id": "s1"}, "Did you mean 'session_id'?"),
    ({"style": "ink_wash", "stlye": "x"}, "Did you mean 'style'?"),
    ({"style": ["ink_wash"]}, "style: one value is expected"),
    ({"style": "ink_wash", "session_id": True}, "session_id"),
    ({"style": "ink_wash", "session_id": 1.5}, "session_id"),
    ({"style": "ink_wash", **{f"x{number}": 1 for number in range(70)}}, "fields were sent"),
]


async def test_json_fields_are_held_to_the_same_rule(server: Running) -> None:
    for body, said in BODIES:
        assert refused(await server.client.post("/api/v1/generate", json={"image_data": PHOTO64, **body}), said)
    text = json.dumps({"image_data": PHOTO64, "style": "ink_wash"})
    repeated = text.replace('"style"', '"style": "bw_fine_art", "style"')
    assert refused(await server.client.post("/api/v1/generate", content=repeated, headers=JSON), "style was sent twice")
    inside = text.replace('"ink_wash"', '"ink_wash", "session_id": "style"')
    assert (await server.client.post("/api/v1/generate", content=inside, headers=JSON)).status_code == 200
    deep = '{"a": "a", "b": "\\"a\\"", "c": ' + "[" * 900 + "]" * 900 + ', "a": 1}'
    assert (await server.client.post("/api/v1/generate", content=deep, headers=JSON)).status_code in (400, 422)


QUERIES = [
    ("POST", "/remove-background?backgroud=%23fff", "Did you mean 'background'?"),
    ("POST", "/remove-background?output=mask&output=rgba", "output: one value is expected, but 2 were sent"),
    ("POST", "/remove-background?trim[]=true", "there is no such query parameter"),
    ("GET", "/api/v1/quota?sesion_id=s1", "Did you mean 'session_id'?"),
    ("GET", "/api/v1/quota?session_id=s1&session_id=s2", "session_id: one value"),
    ("POST", "/api/v1/generate?style=ink_wash", "style: there is no such query parameter"),
    ("POST", "/remove-background?margin=500", "margin: must be at most 100, not 500"),
    ("POST", "/remove-background?margin=much", "margin: must be a number"),
    ("POST", "/remove-background?trim=perhaps", "trim: must be true or false"),
    ("POST", "/remove-background?output=mesh", "output: must be 'rgba' or 'mask'"),
    ("POST", "/warmup?role=all", "role: there is no such query parameter"),
]


async def test_queries_are_held_to_the_same_rule(server: Running) -> None:
    for method, target, said in QUERIES:
        answer = await server.client.request(method, target, content=PHOTO if method == "POST" else None)
        assert refused(answer, said)
    assert server.matting.calls == 0


async def test_links_may_carry_what_a_cache_or_mailer_adds(server: Running) -> None:
    url = (await server.generate()).json()["image_url"]
    for target in (f"{url}?v=2", "/health?t=1", "/?utm_source=mail"):
        assert (await server.client.get(target)).status_code == 200


async def test_numbers_are_ids(server: Running) -> None:
    made = await server.generate(customer_id=7001)
    assert made.json()["quota"]["tier"] == "customer"
    assert (await server.generate(session_id=12)).json()["quota"]["tier"] == "session"


async def test_a_byte_order_mark_before_json_is_no_fault(server: Running) -> None:
    text = json.dumps({"image_data": PHOTO64, "style": "ink_wash"}).encode()
    assert (
        await server.client.post("/api/v1/generate", content=b"\xef\xbb\xbf" + text, headers=JSON)
    ).status_code == 200
    wide = text.decode().encode("utf-16")
    assert (await server.client.post("/api/v1/generate", content=wide, headers=JSON)).status_code == 400


async def test_what_is_not_read_is_named(server: Running) -> None:
    text = gzip.compress(json.dumps({"image_data": PHOTO64, "style": "ink_wash"}).encode())
    squeezed = await server.client.post("/api/v1/generate", content=text, headers={**JSON, "Content-Encoding": "gzip"})
    assert (squeezed.status_code, squeezed.headers["accept-encoding"]) == (415, "identity")
    assert "gzip" in squeezed.json()["detail"]
    starred = form(("style", "ink_wash"), file="name=\"image\"; filename*=UTF-8''caf%C3%A9.jpg")
    answer = await server.client.post("/api/v1/generate", **starred)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:perkie:problem:malformed_body")
    assert "filename*" in answer.json()["hint"]


async def test_pages_of_this_machine_may_read_what_an_open_server_answers(server: Running, tmp_path: Path) -> None:
    for origin in ("http://localhost:5173", "http://127.0.0.1:8000", "https://[::1]:8443", "http://localhost"):
        made = await server.generate(headers={"Origin": origin})
        assert (made.status_code, made.headers["access-control-allow-origin"]) == (200, origin)
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert (await server.client.options("/api/v1/generate", headers=asked)).status_code == 200
    evil = await server.generate(headers={"Origin": "http://localhost.evil.com"})
    assert (evil.status_code, "access-control-allow-origin" in evil.headers) == (403, False)
    async with running(secured(tmp_path)) as guarded:
        told = await guarded.client.get("/api/v1/styles", headers={"Origin": "http://localhost:5173"})
        assert "access-control-allow-origin" not in told.headers


async def test_no_warning_names_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("in the way of the cache's folder")
    async with running(settings=Settings(cache=CacheSettings(dir=tmp_path / "private"))) as server:
        assert (await server.generate()).json()["warnings"] == ["the picture could not be kept"]


async def test_documented_limits_are_those_that_are_set() -> None:
    settings = replace(Settings(), image=replace(Settings().image, min_side=64, max_pixels=12_000_000))
    async with running(HttpSettings(max_image=ByteCount(5 * 2**20)), settings) as server:
        said = (await server.client.get("/openapi.json")).json()["info"]["description"]
    assert "5.0 MiB" in said
    assert "12 megapixels" in said
    assert "64 px" in said


async def test_a_file_that_arrives_empty_may_be_sent_again(server: Running) -> None:
    for path, name in (("/api/v1/generate", "image"), ("/api/v2/process", "image"), ("/remove-background", "image")):
        data = {"style": "ink_wash"} if path == "/api/v1/generate" else None
        answer = await server.client.post(path, data=data, files={name: ("pet.jpg", b"", "image/jpeg")})
        assert answer.status_code == 422
        told = answer.json()
        assert (told["type"], told["retryable"]) == ("urn:perkie:problem:empty_upload", True)
        assert told["detail"] == "pet.jpg arrived empty"
