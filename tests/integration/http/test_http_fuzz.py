"""Whatever is sent, the answer is a documented one: never a 500, never a crash, memory bounded."""

from __future__ import annotations

import base64
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import HttpSettings, Settings
from perkie_cli.http.app import create_app
from tests.engines import Centre, Negative
from tests.http_server import PHOTO
from tests.pictures import file_of, photo, with_hole
from tests.unit.imaging.test_codec_hostile import mutated

CASES = int(os.environ.get("TEST_HTTP_CASES", "10000"))  # of the long runs
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


def served() -> object:
    engine = Negative()
    services = build_services(
        Settings(http=HttpSettings(warmups=1)),
        profile=Profile.SERVER,
        engines={"auto": engine, "local": engine},
        local=engine,
        matting_engines={"auto": Centre()},
    )
    return create_app(services)


# ------------------------------------------------------------------ by the OpenAPI document


def keeps_to_its_document(cases: int) -> None:
    """So many generated requests, shared among all operations."""
    document = schemathesis.openapi.from_asgi("/openapi.json", served())
    operations = [each.ok() for each in document.get_all_operations()]  # type: ignore[union-attr]  # an Err has no ok(): the test would fail
    operations.sort(key=lambda each: each.method.upper() == "POST")  # the others soon run out of variety
    assert len(operations) >= 12
    done = 0
    for left, operation in zip(range(len(operations), 0, -1), operations, strict=True):

        @settings(max_examples=max(5, (cases - done) // left), suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def holds(case: schemathesis.Case[Any]) -> None:
            nonlocal done
            done += 1
            case.call_and_validate(checks=CHECKS)

        holds()
    assert done >= cases * 0.9


def test_the_api_keeps_to_its_document(home: Path) -> None:
    keeps_to_its_document(250)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_api_keeps_to_its_document_for_long(home: Path) -> None:
    keeps_to_its_document(CASES)


# ------------------------------------------------------------------ by mutated bodies

HEIC = file_of(photo(256, 256), "HEIF")
PNG = file_of(with_hole(photo(256, 256)), "PNG")
PICTURES = [
    PHOTO,
    PNG,
    file_of(photo(256, 256), "WEBP"),
    HEIC,
    b"",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"%PDF-1.7",
    b"\0" * 999,
]
FIELDS = [
    *(
        "image_data",
        "image",
        "image_hash",
        "style",
        "styles",
        "session_id",
        "customer_id",
        "remove_background",
        "background",
    ),
    *("strategy", "original", "processed_modern", "images", "image_file_b64", "bg_color", "size", "crop_margin"),
]
ROUTES = ["/api/v1/generate", "/api/v1/batch-generate", "/api/v2/process", "/api/storage/upload", "/remove-background",
          "/v1.0/removebg"]  # fmt: skip
TEXTS = ["", "ink_wash", "all", "popular,all", "..", "a" * 5000, "\0", "é", "1e999", "data:", "data:image/png;base64"]


def value(rng: random.Random) -> object:
    """A picture in some encoding, whole or broken, or something else altogether."""
    data = rng.choice(PICTURES)
    if rng.random() < 0.5 and data:
        data = mutated(data, rng)
    text = base64.b64encode(data).decode()
    encodings: list[Callable[[], object]] = [
        lambda: text,
        lambda: f"data:image/jpeg;base64,{text}",
        lambda: f"data:image/jpeg;base64{text}",
        lambda: text.replace("+", " "),
        lambda: text[: rng.randrange(len(text) + 1)],
        lambda: rng.choice(TEXTS),
        lambda: rng.choice([None, True, -1, 1e308, [], {}, ["modern"], [None], {"original": text}]),
    ]
    return rng.choice(encodings)()


def request(rng: random.Random) -> dict[str, object]:
    """One POST: JSON, a form or raw bytes, sometimes broken itself."""
    fields = {rng.choice(FIELDS): value(rng) for _ in range(rng.randrange(5))}
    if rng.random() < 0.6:
        fields |= {"image_data": value(rng), "style": "modern"}
    headers = {"Accept": rng.choice(["*/*", "image/webp", "text/event-stream", "application/json", "x/y", ";;q=,"])}
    kind = rng.randrange(4)
    if kind == 0:
        body = json.dumps(fields).encode()
        body = mutated(body, rng) if rng.random() < 0.3 else body
        return {"content": body, "headers": {**headers, "Content-Type": "application/json"}}
    if kind == 1:
        files = {rng.choice(["image", "image_file", "bg_image_file", "original"]): rng.choice(PICTURES)}
        plain = {name: str(each).replace("\0", "") for name, each in fields.items()}
        return {"data": plain, "files": files, "headers": headers}
    if kind == 2:
        boundary = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + PNG + b"\r\n--x--\r\n"
        return {"content": mutated(boundary, rng), "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
    return {
        "content": mutated(PNG, rng),
        "headers": {"Content-Type": rng.choice(["image/png", "", "text/x", "a/b;c=d"])},
    }


async def fuzz(cases: int, seed: str) -> None:
    rng = random.Random(seed)
    transport = httpx.ASGITransport(served())  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for number in range(cases):
            route, sent = rng.choice(ROUTES), request(rng)
            answer = await client.post(route, **sent)  # type: ignore[arg-type]
            assert answer.status_code < 500, (seed, number, route, answer.text)
            if answer.status_code != 200:
                assert re.match(r"application/(problem\+)?json", answer.headers["content-type"]), (seed, number)
            if number == cases // 4:
                before = rss()
    assert rss() < before + 150, f"{before} MiB after a quarter, {rss()} MiB at the end"


def rss() -> int:
    """MiB of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


async def test_mutated_bodies_never_hurt() -> None:
    await fuzz(400, "everyday")


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_ten_thousand_mutated_bodies_never_hurt() -> None:
    await fuzz(CASES, "long")
