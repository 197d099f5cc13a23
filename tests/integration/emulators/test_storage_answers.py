"""What the storage emulator answers, header by header, as Google documents it and clients rely on it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import BadInput, UsageError
from perkie_cli.emulators.run import make_storage, running
from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.emulators.storage.signing import ANYBODY, load_key
from perkie_cli.emulators.tls import make_certificate, tls_for
from perkie_cli.system.clock import SystemClock
from tests.clock import ManualClock

QUANTUM = 262_144
PLAIN = b"hello " * 50


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[StorageEmulator]:
    server = make_storage(clock, buckets=["bkt"])
    async with running(server):
        yield server


@pytest.fixture
async def http(emulator: StorageEmulator) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=emulator.url, headers={"accept-encoding": "identity"}) as client:
        yield client


async def put(http: httpx2.AsyncClient, name: str, data: bytes, bucket: str = "bkt", **resource: object) -> Any:
    head = json.dumps({"name": name, **resource}).encode()
    body = b"--x\r\nContent-Type: application/json\r\n\r\n" + head + b"\r\n--x\r\n\r\n" + data + b"\r\n--x--"
    url = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
    return await http.post(url, content=body, headers={"content-type": "multipart/related; boundary=x"})


class Media(NamedTuple):
    status_code: int
    headers: httpx2.Headers
    content: bytes


async def read(http: httpx2.AsyncClient, name: str, **headers: str) -> Media:
    """As it goes over the wire: nothing is unzipped."""
    async with http.stream("GET", f"/storage/v1/b/bkt/o/{name}?alt=media", headers=headers) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
        return Media(response.status_code, response.headers, raw)


# ------------------------------------------------------------------ media


async def test_media_carry_what_is_known_of_the_object(http: httpx2.AsyncClient) -> None:
    facts = {"contentType": "image/png", "cacheControl": "no-store", "contentDisposition": 'attachment; filename="ü"'}
    made = (await put(http, "a", b"12345", contentLanguage="de", **facts)).json()
    answer = await read(http, "a")
    expected = {
        "content-type": "image/png",
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="ü"',
        "content-language": "de",
        "content-length": "5",
        "etag": made["etag"],
        "x-goog-generation": made["generation"],
        "x-goog-metageneration": "1",
        "x-goog-hash": f"crc32c={made['crc32c']},md5={made['md5Hash']}",
        "x-goog-stored-content-encoding": "identity",
        "x-goog-stored-content-length": "5",
        "x-goog-storage-class": "STANDARD",
        "accept-ranges": "bytes",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    head = await http.head("/storage/v1/b/bkt/o/a?alt=media")
    assert (head.headers["content-length"], head.content) == ("5", b"")


@pytest.mark.parametrize(
    ("range_", "status", "body", "content_range"),
    [
        ("bytes=1-3", 206, b"234", "bytes 1-3/5"),
        ("bytes=3-", 206, b"45", "bytes 3-4/5"),
        ("bytes=-2", 206, b"45", "bytes 3-4/5"),
        ("bytes=0-99", 206, b"12345", "bytes 0-4/5"),
        ("bytes=5-", 416, None, "bytes */5"),
        ("bytes=-0", 416, None, "bytes */5"),
        ("bytes=3-1", 200, b"12345", None),
        ("bytes=-", 200, b"12345", None),
        ("chunks=1-2", 200, b"12345", None),
    ],
)
async def test_ranges(
    http: httpx2.AsyncClient, range_: str, status: int, body: bytes | None, content_range: Any
) -> None:
    await put(http, "a", b"12345")
    answer = await read(http, "a", range=range_)
    assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)
    assert body is None or answer.content == body


async def test_conditions_by_etag(http: httpx2.AsyncClient) -> None:
    etag = (await put(http, "a", b"1")).json()["etag"]
    for path in ("/storage/v1/b/bkt/o/a", "/storage/v1/b/bkt/o/a?alt=media"):
        assert (await http.get(path, headers={"if-none-match": etag})).status_code == 304
        assert (await http.get(path, headers={"if-match": f'"{etag}"'})).status_code == 200
        assert (await http.get(path, headers={"if-match": "other"})).status_code == 412


# ------------------------------------------------------------------ gzip


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "deflate,gzip"])
async def test_gzip_goes_out_as_it_is_to_who_takes_it(http: httpx2.AsyncClient, accepted: str) -> None:
    data = gzip.compress(PLAIN)
    await put(http, "g", data, contentEncoding="gzip")
    answer = await read(http, "g", **{"accept-encoding": accepted, "range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (206, data[:2])
    assert answer.headers["content-encoding"] == answer.headers["x-goog-stored-content-encoding"] == "gzip"


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", ""])
async def test_gzip_is_undone_for_others_and_ranges_count_for_nothing(http: httpx2.AsyncClient, accepted: str) -> None:
    data = gzip.compress(PLAIN[:99]) + gzip.compress(PLAIN[99:])
    made = (await put(http, "g", data, contentEncoding="gzip")).json()
    answer = await read(http, "g", **{"accept-encoding": accepted, "range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, PLAIN)
    assert "content-encoding" not in answer.headers
    assert answer.headers["x-goog-stored-content-encoding"] == "gzip"
    assert answer.headers["x-goog-stored-content-length"] == made["size"] == str(len(data))
    await put(http, "g", data, contentEncoding="gzip", cacheControl="public, no-transform")
    assert (await read(http, "g", **{"accept-encoding": accepted})).content == data


async def test_bodies_may_be_gzip_on_their_way(http: httpx2.AsyncClient) -> None:
    packed = {"content-encoding": "gzip", "content-type": "application/json"}
    made = await http.post("/storage/v1/b?project=p", content=gzip.compress(b'{"name": "packed"}'), headers=packed)
    assert made.json()["name"] == "packed"
    url = "/upload/storage/v1/b/bkt/o?uploadType=media&name=m"
    sent = await http.post(url, content=gzip.compress(PLAIN), headers={"content-encoding": "gzip"})
    assert "contentEncoding" not in sent.json()
    assert (await read(http, "m")).content == PLAIN
    for broken in (b"no gzip", gzip.compress(PLAIN)[:-9], gzip.compress(b"\0" * 70_000_000)):
        answer = await http.post("/storage/v1/b?project=p", content=broken, headers=packed)
        assert answer.status_code == 400


# ------------------------------------------------------------------ uploads


async def begin(http: httpx2.AsyncClient, name: str = "r", **headers: str) -> str:
    url = f"/upload/storage/v1/b/bkt/o?uploadType=resumable&name={name}"
    return (await http.post(url, headers=headers)).headers["location"]


CASES = [
    # chunks as (Content-Range, bytes sent), and the answers' status and Range
    ([("bytes 0-*/*", 10)], [(200, None)]),
    ([("bytes 0-*/10", 10)], [(200, None)]),
    ([(None, 10)], [(200, None)]),
    ([("bytes 0-9/10", 10), ("bytes */10", 0)], [(200, None), (200, None)]),
    ([("bytes */*", 0), ("bytes */*", 1)], [(308, None), (400, None)]),
    ([(f"bytes 0-{QUANTUM - 1}/*", QUANTUM), (f"bytes {QUANTUM}-*/*", 5)], [(308, f"0-{QUANTUM - 1}"), (200, None)]),
    ([(f"bytes 0-{QUANTUM - 1}/*", QUANTUM), (f"bytes */{QUANTUM}", 0)], [(308, f"0-{QUANTUM - 1}"), (200, None)]),
    ([(f"bytes 0-{QUANTUM + 9}/*", QUANTUM + 10)], [(308, f"0-{QUANTUM - 1}")]),
    (
        [(f"bytes 0-{QUANTUM - 1}/{QUANTUM + 5}", QUANTUM), (f"bytes {QUANTUM - 5}-{QUANTUM + 4}/{QUANTUM + 5}", 10)],
        [(308, f"0-{QUANTUM - 1}"), (200, None)],
    ),
    ([("bytes 0-99/*", 100)], [(400, None)]),
    ([("bytes 0-99/100", 50)], [(400, None)]),
    ([("bytes 0-99/50", 100)], [(400, None)]),
    ([("bytes 10-19/20", 10)], [(503, None)]),
    ([("bytes 1-x/*", 10)], [(400, None)]),
]


@pytest.mark.parametrize(("chunks", "answers"), CASES)
async def test_resumable_uploads(http: httpx2.AsyncClient, chunks: list[Any], answers: list[Any]) -> None:
    data, url = os.urandom(2 * QUANTUM), await begin(http)
    for (content_range, size), (status, received) in zip(chunks, answers, strict=True):
        first = content_range.removeprefix("bytes ").partition("-")[0] if content_range else "0"
        start = int(first) if first.isdecimal() else 0
        headers = {"content-range": content_range} if content_range else {}
        answer = await http.put(url, content=data[start : start + size], headers=headers)
        told = answer.headers.get("range")
        assert (answer.status_code, told) == (status, received and f"bytes={received}"), answer.text
        if status == 200:
            size = int(answer.json()["size"])
            assert (await read(http, "r")).content == data[:size]


async def test_go_is_told_in_a_header_that_more_is_to_come(http: httpx2.AsyncClient) -> None:
    url, go = await begin(http), {"x-guploader-no-308": "yes"}
    chunk = {"content-range": f"bytes 0-{QUANTUM - 1}/*", **go}
    answer = await http.put(url, content=bytes(QUANTUM), headers=chunk)
    told = [answer.headers.get(name) for name in ("x-http-status-code-override", "range")]
    assert (answer.status_code, told) == (200, ["308", f"bytes=0-{QUANTUM - 1}"])
    last = await http.put(url, headers={"content-range": f"bytes */{QUANTUM}", **go})
    assert (last.status_code, last.json()["size"]) == (200, str(QUANTUM))
    assert "x-http-status-code-override" not in last.headers


async def test_what_was_announced_is_held_to(http: httpx2.AsyncClient) -> None:
    url = await begin(http, **{"x-upload-content-length": "10", "x-upload-content-type": "image/png"})
    assert (await http.put(url, content=b"12345", headers={"content-range": "bytes 0-*/*"})).status_code == 400
    made = await http.put(url, content=b"1234567890", headers={"content-range": "bytes 0-*/*"})
    assert (made.status_code, made.json()["contentType"]) == (200, "image/png")


async def test_an_upload_that_was_given_up_is_gone(http: httpx2.AsyncClient) -> None:
    url = await begin(http)
    assert (await http.delete(url)).status_code == 499
    assert (await http.put(url, headers={"content-range": "bytes */*"})).status_code == 404
    nowhere = await http.post("/upload/storage/v1/b/nowhere/o?uploadType=resumable&name=x")
    assert nowhere.status_code == 404


@pytest.mark.parametrize("upload", ["media", "multipart", "resumable"])
async def test_checksums_in_headers_are_checked(http: httpx2.AsyncClient, upload: str) -> None:
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    for header, status in (
        ({"content-md5": right}, 200),
        ({"x-goog-hash": f"crc32c=kHx4MQ==,md5={right}"}, 400),
        ({"x-goog-hash": "crc32c=AAAAAA=="}, 400),
        ({"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400),
    ):
        if upload == "resumable":
            answer = await http.put(await begin(http), content=b"x", headers=header)
        elif upload == "media":
            url = "/upload/storage/v1/b/bkt/o?uploadType=media&name=m"
            answer = await http.post(url, content=b"x", headers=header)
        else:
            body = b'--x\r\n\r\n{"name": "m"}\r\n--x\r\n\r\nx\r\n--x--'
            kind = {"content-type": "multipart/related; boundary=x"}
            url = "/upload/storage/v1/b/bkt/o?uploadType=multipart"
            answer = await http.post(url, content=body, headers={**kind, **header})
        assert answer.status_code == status, (header, answer.text)


@given(sizes=st.lists(st.integers(1, 3), max_size=4), rest=st.integers(0, QUANTUM + 100), known=st.booleans())
async def test_however_it_is_cut_the_bytes_arrive(
    http: httpx2.AsyncClient, sizes: list[int], rest: int, known: bool
) -> None:
    data = os.urandom(sum(sizes) * QUANTUM + rest)
    url, sent = await begin(http), 0
    total = str(len(data)) if known else "*"
    for size in sizes:
        end = sent + size * QUANTUM
        answer = await http.put(
            url, content=data[sent:end], headers={"content-range": f"bytes {sent}-{end - 1}/{total}"}
        )
        sent = end
    if sent < len(data) or not known or not sizes:
        answer = await http.put(url, content=data[sent:], headers={"content-range": f"bytes {sent}-*/*"})
    assert answer.status_code == 200
    assert (await read(http, "r")).content == data


# ------------------------------------------------------------------ compose, holds, retention, folders


async def compose(http: httpx2.AsyncClient, name: str, *sources: dict[str, Any], query: str = "", **more: Any) -> Any:
    body = {"sourceObjects": list(sources), **more}
    return await http.post(f"/storage/v1/b/bkt/o/{name}/compose{query}", json=body)


async def test_compose_counts_components_and_takes_no_hash_along(http: httpx2.AsyncClient) -> None:
    a, _ = [(await put(http, name, name.encode())).json() for name in "ab"]
    copied = {"md5Hash": a["md5Hash"], "crc32c": a["crc32c"], "contentType": "text/plain"}
    made = (await compose(http, "ab", {"name": "a"}, {"name": "b"}, destination=copied)).json()
    assert (made["componentCount"], made["contentType"], "md5Hash" in made) == (2, "text/plain", False)
    assert made["crc32c"] != a["crc32c"]
    again = (await compose(http, "aba", {"name": "ab"}, {"name": "a"})).json()
    assert again["componentCount"] == 3
    answer = await read(http, "aba")
    assert (answer.content, answer.headers["x-goog-hash"]) == (b"aba", f"crc32c={again['crc32c']}")
    copy = (await http.post("/storage/v1/b/bkt/o/aba/copyTo/b/bkt/o/copy")).json()
    assert copy["componentCount"] == 3


async def test_compose_keeps_conditions(http: httpx2.AsyncClient) -> None:
    made = (await put(http, "a", b"a")).json()
    right, wrong = ({"ifGenerationMatch": generation} for generation in (made["generation"], "1"))
    assert (await compose(http, "b", {"name": "a", "objectPreconditions": wrong})).status_code == 412
    assert (await compose(http, "b", {"name": "a", "generation": "1"})).status_code == 404
    assert (await compose(http, "a", {"name": "a"}, query="?ifGenerationMatch=0")).status_code == 412
    assert (await compose(http, "b", *[{"name": "a"}] * 33)).status_code == 400
    assert (await compose(http, "b")).status_code == 400
    done = await compose(http, "b", {"name": "a", "objectPreconditions": right}, query="?deleteSourceObjects=true")
    assert done.status_code == 200
    assert (await http.get("/storage/v1/b/bkt/o/a")).status_code == 404


async def patch(http: httpx2.AsyncClient, path: str, **fields: object) -> Any:
    return await http.patch(f"/storage/v1/b/bkt{path}", json=fields)


@pytest.mark.parametrize("hold", ["temporaryHold", "eventBasedHold"])
async def test_what_is_held_can_neither_go_nor_be_overwritten(http: httpx2.AsyncClient, hold: str) -> None:
    await put(http, "a", b"1")
    await put(http, "b", b"2")
    assert (await patch(http, "/o/a", **{hold: True})).json()[hold] is True
    attempts = [
        await http.delete("/storage/v1/b/bkt/o/a"),
        await put(http, "a", b"2"),
        await http.post("/storage/v1/b/bkt/o/b/rewriteTo/b/bkt/o/a"),
        await compose(http, "a", {"name": "b"}),
    ]
    assert [each.status_code for each in attempts] == [403] * 4
    assert "hold" in attempts[0].json()["error"]["message"]
    assert (await patch(http, "/o/a", metadata={"x": "y"})).status_code == 200
    copy = (await http.post("/storage/v1/b/bkt/o/a/copyTo/b/bkt/o/c")).json()
    assert hold not in copy
    await patch(http, "/o/a", **{hold: False})
    assert (await http.delete("/storage/v1/b/bkt/o/a")).status_code == 204


async def test_retention_keeps_until_its_end_and_lifecycles_wait(
    http: httpx2.AsyncClient, emulator: StorageEmulator, clock: ManualClock
) -> None:
    rule = {"action": {"type": "Delete"}, "condition": {"age": 0}}
    await patch(http, "", retentionPolicy={"retentionPeriod": "3600"}, lifecycle={"rule": [rule]})
    made = (await put(http, "a", b"1")).json()
    assert made["retentionExpirationTime"] > made["timeCreated"]
    refused = await http.delete("/storage/v1/b/bkt/o/a")
    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (403, "retentionPolicyNotMet")
    assert emulator.sweep() == []
    clock.advance(3601)
    assert emulator.sweep() == ["a"]


async def test_an_event_based_hold_that_ends_begins_the_retention_anew(
    http: httpx2.AsyncClient, clock: ManualClock
) -> None:
    await patch(http, "", retentionPolicy={"retentionPeriod": "100"}, defaultEventBasedHold=True)
    held = (await put(http, "a", b"1")).json()
    assert (held["eventBasedHold"], "retentionExpirationTime" in held) == (True, False)
    clock.advance(1000)
    await patch(http, "/o/a", eventBasedHold=False)
    clock.advance(99)
    assert (await http.delete("/storage/v1/b/bkt/o/a")).status_code == 403
    clock.advance(2)
    assert (await http.delete("/storage/v1/b/bkt/o/a")).status_code == 204


async def test_a_locked_retention_policy_can_only_grow(http: httpx2.AsyncClient) -> None:
    assert (await http.post("/storage/v1/b/bkt/lockRetentionPolicy")).status_code == 400
    assert (await patch(http, "", retentionPolicy={"retentionPeriod": "0"})).status_code == 400
    bucket = (await patch(http, "", retentionPolicy={"retentionPeriod": "100"})).json()
    assert bucket["retentionPolicy"]["isLocked"] is False
    lock = "/storage/v1/b/bkt/lockRetentionPolicy?ifMetagenerationMatch="
    assert (await http.post(lock + "99")).status_code == 412
    assert (await http.post(lock + bucket["metageneration"])).json()["retentionPolicy"]["isLocked"] is True
    for less in ({"retentionPeriod": "99"}, None):
        assert (await patch(http, "", retentionPolicy=less)).status_code == 403
    assert (await patch(http, "", retentionPolicy={"retentionPeriod": "200"})).status_code == 200


async def test_managed_folders(http: httpx2.AsyncClient) -> None:
    folders = "/storage/v1/b/bkt/managedFolders"
    assert (await http.post(folders, json={"name": "a"})).status_code == 400, "access is not uniform"
    await patch(http, "", iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}})
    for name in ("a", "a/b/", "c"):
        assert (await http.post(folders, json={"name": name})).json()["name"] == name.rstrip("/") + "/"
    assert (await http.post(folders, json={"name": "a"})).status_code == 409
    page = (await http.get(folders, params={"pageSize": 2})).json()
    rest = (await http.get(folders, params={"pageSize": 2, "pageToken": page["nextPageToken"]})).json()
    assert [each["name"] for each in page["items"] + rest["items"]] == ["a/", "a/b/", "c/"]
    bindings = [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]
    await http.put(f"{folders}/a%2Fb/iam", json={"bindings": bindings})
    assert (await http.get(f"{folders}/a%2Fb%2F/iam")).json()["bindings"] == bindings
    assert (await http.delete(f"{folders}/a")).status_code == 409, "a/b is in it"
    assert (await http.delete(f"{folders}/a?allowNonEmpty=true")).status_code == 204
    assert (await http.get(f"{folders}/a")).status_code == 404


# ------------------------------------------------------------------ refusals, other origins


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("GET", "/storage/v1/nowhere", None, {}),
        ("GET", "/storage/v1/b/bkt/acl", None, {}),
        ("GET", "/storage/v1/b/bkt/notificationConfigs", None, {}),
        ("GET", "/storage/v1/b/bkt/folders", None, {}),
        ("POST", "/storage/v1/b/bkt/o/a/moveTo/o/b", None, {}),
        ("POST", "/storage/v1/b/bkt/o/a/acl", {}, {}),
        ("PATCH", "/storage/v1/b/bkt/o/a", {"acl": [{"entity": "allUsers"}]}, {}),
        ("PATCH", "/storage/v1/b/bkt/o/a", {"retention": {"mode": "Locked"}}, {}),
        ("POST", "/storage/v1/b?project=p", {"name": "x", "hierarchicalNamespace": {"enabled": True}}, {}),
        ("POST", "/upload/storage/v1/b/bkt/o?uploadType=media&name=x&predefinedAcl=publicRead", None, {}),
        ("POST", "/upload/storage/v1/b/bkt/o?uploadType=media&name=x&kmsKeyName=k", None, {}),
        ("GET", "/storage/v1/b/bkt/o/a?alt=media", None, {"x-goog-encryption-algorithm": "AES256"}),
    ],
)
async def test_what_is_not_emulated_is_refused_by_name(
    http: httpx2.AsyncClient, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    await put(http, "a", b"1")
    answer = await http.request(method, path, json=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["errors"][0]["reason"]) == (501, "notImplemented")
    assert "not emulated" in error["message"]


async def test_what_is_not_signed_opens_nothing_but_to_a_client_library(http: httpx2.AsyncClient) -> None:
    """Go's client reads by the XML API."""
    await put(http, "a b/c", b"1")
    answer = await http.get("/bkt/a%20b/c")
    assert (answer.status_code, "<Code>AccessDenied</Code>" in answer.text) == (403, True)
    library = {"x-goog-api-client": "gl-go/1.24 gccl/1.50"}
    found = await http.get("/bkt/a%20b/c", headers=library)
    assert (found.status_code, found.content, found.headers["x-goog-hash"][:6]) == (200, b"1", "crc32c")
    assert (await http.get("/bkt/none", headers=library)).status_code == 404
    for method, path in (("POST", "/bkt/a?uploads"), ("PUT", "/bkt/a?partNumber=1&uploadId=2"), ("GET", "/bkt")):
        refused = await http.request(method, path, headers=library)
        assert (refused.status_code, "not emulated" in refused.text) == (501, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/storage/v1/b/bkt", {"retentionPolicy": {"retentionPeriod": "soon"}}),
        ("/storage/v1/b/bkt", {"retentionPolicy": 3}),
        ("/storage/v1/b/bkt/o/a", {"customTime": "then"}),
        ("/storage/v1/b/bkt/o/a?generation=x", {}),
        ("/storage/v1/b/bkt", [1]),
    ],
)
async def test_what_makes_no_sense_is_a_bad_request(http: httpx2.AsyncClient, path: str, body: object) -> None:
    await put(http, "a", b"1")
    assert (await http.patch(path, json=body)).status_code == 400
    deep = b'{"name":' + b"[" * 100_000
    assert (await http.post("/storage/v1/b?project=p", content=deep)).status_code == 400


async def test_nothing_of_an_objects_facts_becomes_a_header_of_its_own(http: httpx2.AsyncClient) -> None:
    evil = "x\r\nX-Evil: 1"
    await put(http, "a", b"1", contentDisposition=evil, metadata={evil: "1", "pet": "kätzchen"})
    library = {"x-goog-api-client": "gl-go/1.24"}
    headers = (await http.get("/bkt/a", headers=library)).headers
    assert "x-evil" not in headers
    assert [value for name, value in headers.raw if name == b"x-goog-meta-pet"] == ["kätzchen".encode()]
    sent = {b"x-goog-api-client": b"gl-go/1.24", b"x-goog-meta-pet": "kätzchen".encode()}
    await http.put("/bkt/b", content=b"2", headers=sent)
    assert (await http.get("/storage/v1/b/bkt/o/b")).json()["metadata"] == {"pet": "kätzchen"}


async def test_parts_of_answers(http: httpx2.AsyncClient) -> None:
    await put(http, "a", b"1")
    listed = await http.get("/storage/v1/b/bkt/o", params={"fields": "items(name,size)"})
    assert listed.json() == {"items": [{"name": "a", "size": "1"}]}
    assert (await http.get("/storage/v1/b/bkt?fields=name,location")).json() == {"name": "bkt", "location": "US"}
    assert (await http.get("/storage/v1/b/bkt?fields=name(")).status_code == 400
    assert (await http.get("/storage/v1/b/bkt/o/a?alt=media&fields=name")).content == b"1"


async def test_node_leaves_a_part_of_the_path_out(http: httpx2.AsyncClient) -> None:
    """When it takes the address from ``STORAGE_EMULATOR_HOST``."""
    await put(http, "a", b"1")
    assert (await http.get("/b/bkt/o/a?alt=media")).content == b"1"


async def test_buckets_are_listed_by_project_and_page(http: httpx2.AsyncClient) -> None:
    for name in ("b2", "b3"):
        await http.post("/storage/v1/b?project=p", json={"name": name})
    assert (await http.get("/storage/v1/b")).status_code == 400
    page = (await http.get("/storage/v1/b?project=p&maxResults=2")).json()
    rest = (await http.get("/storage/v1/b", params={"project": "p", "pageToken": page["nextPageToken"]})).json()
    assert [each["name"] for each in page["items"] + rest["items"]] == ["b2", "b3", "bkt"]
    asked = "/storage/v1/b/bkt/iam/testPermissions?permissions=a.b&permissions=c.d"
    assert (await http.get(asked)).json()["permissions"] == ["a.b", "c.d"]


async def test_other_origins_by_the_buckets_rules(http: httpx2.AsyncClient) -> None:
    shop = "https://x.myshopify.com"
    rule = {"origin": [shop], "method": ["PUT"], "responseHeader": ["Content-Type"], "maxAgeSeconds": 60}
    await patch(http, "", cors=[rule])

    async def ask(origin: str = shop, method: str = "PUT", header: str = "content-type", path: str = "/bkt/a") -> Any:
        asked = {"access-control-request-method": method, "access-control-request-headers": header}
        return (await http.options(path, headers={"origin": origin, **asked})).headers

    allowed = await ask()
    assert allowed["access-control-allow-origin"] == shop
    assert (allowed["access-control-max-age"], allowed["access-control-allow-methods"]) == ("60", "PUT")
    for other in (await ask(origin="https://evil"), await ask(method="DELETE"), await ask(header="x-other")):
        assert "access-control-allow-origin" not in other
    assert (await ask("https://any", "POST", "x-any", "/storage/v1/b/bkt/o"))["access-control-allow-origin"] == "*"


# ------------------------------------------------------------------ keys, TLS


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


async def test_keys_in_every_form_open_what_they_signed(tmp_path: Path, signing_key: tuple[str, bytes]) -> None:
    private, public = signing_key
    facts = {"private_key": private, "client_email": "a@b.c", "token_uri": "http://127.0.0.1:1/token"}
    forms = {"key.json": json.dumps(facts), "private.pem": private, "public.pem": public.decode()}
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
    certificate = ["-key", str(tmp_path / "private.pem"), "-out", str(tmp_path / "certificate.pem")]
    openssl("req", "-x509", "-new", "-days", "2", "-subj", "/CN=x", *certificate)
    loaded = {path.name: load_key(path) for path in sorted(tmp_path.iterdir())}
    assert {name: signer for name, (signer, _) in loaded.items()} == {
        "certificate.pem": ANYBODY, "key.json": "a@b.c", "private.pem": ANYBODY, "public.pem": ANYBODY,
    }  # fmt: skip
    assert {key for _, key in loaded.values()} == {public}


@pytest.mark.parametrize("text", [None, "", "{}", '{"private_key": 3}', "-----BEGIN PRIVATE KEY-----\nx"])
def test_what_is_no_key_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "key").write_text(text)
    with pytest.raises(BadInput, match="signing key"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_links_tell_and_take_what_the_xml_api_does(
    tmp_path: Path, signing_key: tuple[str, bytes], version: str
) -> None:
    """Signed by Google's own code for Python."""
    import datetime

    from google.cloud import storage

    (tmp_path / "public.pem").write_bytes(signing_key[1])
    facts = {"private_key": signing_key[0], "client_email": "a@b.c", "token_uri": "http://127.0.0.1:1/token"}
    credentials = service_account.Credentials.from_service_account_info(facts)  # type: ignore[no-untyped-call]
    server = make_storage(SystemClock(), buckets=["bkt"], signing_keys=[tmp_path / "public.pem"])
    async with running(server), httpx2.AsyncClient() as http:
        blob = storage.Client("p", credentials, client_options={"api_endpoint": server.url}).bucket("bkt").blob("a b/ü")

        def link(method: str, lives: timedelta = timedelta(minutes=5), **options: Any) -> str:
            expires = lives if version == "v4" else datetime.datetime.now(datetime.UTC) + lives
            address = {"api_access_endpoint": server.url, "version": version, "method": method}
            return str(blob.generate_signed_url(expires, **address, **options))

        meta = {"x-goog-meta-pet": "cat"}
        sent = await http.put(
            link("PUT", headers=dict(meta)), content=b"bytes", headers={**meta, "cache-control": "no-store"}
        )
        assert (sent.status_code, sent.content, sent.headers["x-goog-metageneration"]) == (200, b"", "1")
        got = await http.get(link("GET", response_disposition="attachment", response_type="image/png"))
        told = [got.headers[name] for name in ("content-disposition", "content-type", "cache-control", *meta)]
        assert (got.content, told) == (b"bytes", ["attachment", "image/png", "no-store", "cat"])
        once = {"x-goog-if-generation-match": "0"}
        assert (await http.put(link("PUT", headers=dict(once)), content=b"other", headers=once)).status_code == 412
        assert (await http.get(link("PUT"))).status_code == 403
        assert (
            await http.get(link("GET", -timedelta(minutes=5)) if version == "v2" else link("GET") + "0")
        ).status_code in (400, 403)
        assert (await http.delete(link("DELETE"))).status_code == 204
        assert (await http.get(link("GET"))).status_code == 404


async def test_without_a_key_a_link_says_what_is_missing(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/bkt/a?GoogleAccessId=a@b.c&Expires=9999999999&Signature=AAAA")
    assert (answer.status_code, "--signing-key" in answer.text) == (403, True)


async def test_a_certificate_made_for_the_run_is_trusted_by_its_file(tmp_path: Path) -> None:
    with tls_for("127.0.0.1", None, None, make=True) as (context, made):
        assert made is not None
        assert made.stat().st_mode & 0o077 == 0
        server = make_storage(SystemClock(), buckets=["bkt"], tls=context)
        trusting = ssl.create_default_context(cafile=str(made))
        async with running(server), httpx2.AsyncClient(verify=trusting) as http:
            for host in ("127.0.0.1", "localhost"):
                found = (await http.get(f"https://{host}:{server.port}/storage/v1/b/bkt")).json()
                assert found["selfLink"].startswith(f"https://{host}:{server.port}/"), "as the client knows it"
    assert not made.exists()


def test_certificates_of_the_users_own(tmp_path: Path) -> None:
    both = make_certificate("shop.example", tmp_path)
    with tls_for("h", both, None, make=False) as (context, made):
        assert (context is not None, made) == (True, None)
    (tmp_path / "none.pem").write_text("nothing")
    for certificate, key, wrong in (
        (tmp_path / "none.pem", None, BadInput),
        (both, tmp_path / "none.pem", BadInput),
        (tmp_path / "missing.pem", None, BadInput),
        (None, both, UsageError),
    ):
        with pytest.raises(wrong), tls_for("h", certificate, key, make=False):
            pass
