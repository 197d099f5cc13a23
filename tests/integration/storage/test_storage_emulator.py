"""The storage emulator under Google's own client: what a cache relies on, and what it must refuse."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread
import pytest
import requests
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.oauth2 import service_account

from perkie_cli.emulators.storage.server import StorageEmulator
from tests.clock import ManualClock
from tests.contract.blob_stores import SIGNER

ONCE: dict[str, Any] = {"retry": None, "timeout": 60}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))  # the client signs by the real time


@pytest.fixture
async def emulator(clock: ManualClock, signing_key: tuple[str, bytes]) -> AsyncIterator[StorageEmulator]:
    server = StorageEmulator(clock, keys={SIGNER: signing_key[1]})
    await server.start()
    yield server
    await server.aclose()


def client_of(server: StorageEmulator) -> storage.Client:
    options = {"api_endpoint": server.url}
    return storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options)  # type: ignore[no-untyped-call]


@pytest.fixture
async def bucket(emulator: StorageEmulator) -> storage.Bucket:
    return await anyio.to_thread.run_sync(lambda: client_of(emulator).create_bucket("bkt", **ONCE))


async def check(function: Callable[[], None]) -> None:
    """The client is synchronous and the server lives in our loop."""
    await anyio.to_thread.run_sync(function)


def fill(bucket: storage.Bucket, *names: str) -> None:
    for name in names:
        bucket.blob(name).upload_from_string(name.encode(), **ONCE)


async def test_preconditions_hold_for_objects_and_buckets(bucket: storage.Bucket) -> None:
    def play() -> None:
        blob = bucket.blob("a/b.jpg")
        blob.upload_from_string(b"1", if_generation_match=0, **ONCE)
        with pytest.raises(api.PreconditionFailed):
            bucket.blob("a/b.jpg").upload_from_string(b"2", if_generation_match=0, **ONCE)
        for wrong in ({"if_generation_match": 1}, {"if_metageneration_match": 9}):
            for call in (blob.delete, blob.download_as_bytes, blob.reload):
                with pytest.raises(api.PreconditionFailed):
                    call(**wrong, **ONCE)
        with pytest.raises(api.NotModified):
            blob.reload(if_generation_not_match=blob.generation, **ONCE)
        blob.metadata = {"engine": "local"}
        blob.patch(if_metageneration_match=1, **ONCE)
        assert blob.metageneration == 2
        with pytest.raises(api.PreconditionFailed):
            bucket.copy_blob(blob, bucket, "a/c.jpg", if_source_generation_match=1, **ONCE)
        bucket.labels = {"a": "b"}
        with pytest.raises(api.PreconditionFailed):
            bucket.patch(if_metageneration_match=99, **ONCE)

    await check(play)


async def test_listing_pages_prefixes_offsets_and_globs(bucket: storage.Bucket) -> None:
    def names(**query: object) -> list[str]:
        return [blob.name for blob in bucket.list_blobs(**query, **ONCE)]

    def play() -> None:
        fill(bucket, *(f"l/{number % 5}/{number:02d}.jpg" for number in range(25)), "m.jpg", "l/top.jpg")
        pages = bucket.list_blobs(prefix="l/", page_size=10, **ONCE).pages
        assert [len(list(page)) for page in pages] == [10, 10, 6]
        assert len(names(max_results=7)) == 7
        for size in (1, 2, 100):
            listing = bucket.list_blobs(prefix="l/", delimiter="/", page_size=size, **ONCE)
            assert [blob.name for blob in listing] == ["l/top.jpg"]
            assert listing.prefixes == {f"l/{number}/" for number in range(5)}
        assert names(start_offset="l/1/06.jpg", end_offset="l/1/11.jpg") == ["l/1/06.jpg"]
        assert names(match_glob="l/3/*") == [f"l/3/{number:02d}.jpg" for number in range(3, 25, 5)]
        assert names(match_glob="**.jpg") == names()
        assert names(match_glob="*.jpg") == ["m.jpg"]
        assert names(match_glob="{m,l/top}.jpg") == ["l/top.jpg", "m.jpg"]
        with pytest.raises(api.BadRequest):
            next(bucket.list_blobs(page_token="*", **ONCE).pages)

    await check(play)


async def test_uploads_of_every_kind_and_ranges(bucket: storage.Bucket) -> None:
    def play() -> None:
        data = os.urandom(900 * 1024) + b"\r\n--==\r\n"
        chunked = bucket.blob("chunked.bin", chunk_size=256 * 1024)
        chunked.upload_from_file(io.BytesIO(data), size=len(data), if_generation_match=0, **ONCE)
        whole = bucket.blob("whole.bin")
        whole.upload_from_string(data, "image/png", checksum="md5", **ONCE)
        assert chunked.crc32c == whole.crc32c
        assert whole.content_type == "image/png"
        assert bucket.blob("chunked.bin").download_as_bytes(**ONCE) == data
        assert whole.download_as_bytes(start=5, end=8, **ONCE) == data[5:9]
        assert whole.download_as_bytes(start=len(data) - 3, **ONCE) == data[-3:]
        with pytest.raises(api.RequestRangeNotSatisfiable):
            whole.download_as_bytes(start=len(data) + 1, **ONCE)
        fill(bucket, "1.txt", "2.txt")
        both = bucket.blob("both.txt")
        both.compose([bucket.blob("1.txt"), bucket.blob("2.txt")], **ONCE)
        assert both.download_as_bytes(**ONCE) == b"1.txt2.txt"

    await check(play)


async def test_a_wrong_checksum_is_refused(bucket: storage.Bucket, emulator: StorageEmulator) -> None:
    def play() -> None:
        blob = bucket.blob("x.bin")
        blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
        with pytest.raises(api.BadRequest, match="md5Hash"):
            blob.upload_from_string(b"x", **ONCE)
        assert list(bucket.list_blobs(**ONCE)) == []

    await check(play)


async def test_custom_time_never_moves_back(bucket: storage.Bucket) -> None:
    def play() -> None:
        fill(bucket, "x.jpg")
        blob = bucket.get_blob("x.jpg", **ONCE)
        blob.custom_time = datetime(2026, 5, 1, tzinfo=UTC)
        blob.patch(**ONCE)
        blob.custom_time = datetime(2026, 4, 1, tzinfo=UTC)
        with pytest.raises(api.BadRequest):
            blob.patch(**ONCE)
        assert bucket.get_blob("x.jpg", **ONCE).custom_time == datetime(2026, 5, 1, tzinfo=UTC)

    await check(play)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2026-05-01T12:00:00+00:00", "2026-05-01T12:00:00.000Z"),
        ("2026-05-01T12:00:00.123456789-07:00", "2026-05-01T19:00:00.123Z"),
        ("2026-05-01t12:00:00z", "2026-05-01T12:00:00.000Z"),
        ("2026-05-01T12:00:00", None),
        ("2026-05-01", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
        (1777636800, None),
    ],
)
async def test_custom_time_is_kept_in_utc_with_milliseconds(
    emulator: StorageEmulator, bucket: storage.Bucket, given: str | int, kept: str | None
) -> None:
    def play() -> None:
        fill(bucket, "x.jpg")
        url = f"{emulator.url}/storage/v1/b/bkt/o/x.jpg"
        for method, body in (("PATCH", {}), ("POST", {"contentType": "image/jpeg"})):
            where = url if method == "PATCH" else f"{url}/rewriteTo/b/bkt/o/y.jpg"
            answer = requests.request(method, where, json={**body, "customTime": given}, timeout=60)
            assert answer.status_code == (400 if kept is None else 200)
            made = answer.json().get("resource", answer.json())
            assert made.get("customTime") == kept

    await check(play)


async def test_versions_are_kept_and_soft_deleted_ones_restored(bucket: storage.Bucket) -> None:
    def play() -> None:
        bucket.versioning_enabled = True
        bucket.patch(**ONCE)
        fill(bucket, "v.jpg", "v.jpg")
        old, new = bucket.list_blobs(versions=True, **ONCE)
        assert (old.time_deleted is None, new.time_deleted) == (False, None)
        bucket.blob("v.jpg").delete(**ONCE)
        assert list(bucket.list_blobs(**ONCE)) == []
        assert len(list(bucket.list_blobs(versions=True, **ONCE))) == 2
        bucket.blob("v.jpg", generation=old.generation).delete(**ONCE)
        (gone,) = bucket.list_blobs(soft_deleted=True, **ONCE)
        assert gone.hard_delete_time - gone.soft_delete_time == timedelta(days=7)
        bucket.restore_blob("v.jpg", generation=gone.generation, **ONCE)
        assert bucket.blob("v.jpg").download_as_bytes(**ONCE) == b"v.jpg"

    await check(play)


async def test_batches_policies_and_bucket_settings(bucket: storage.Bucket) -> None:
    def play() -> None:
        fill(bucket, "1.jpg", "2.jpg", "3.jpg")
        with bucket.client.batch():
            bucket.blob("1.jpg").delete()
            bucket.blob("3.jpg").delete()
        assert [blob.name for blob in bucket.list_blobs(**ONCE)] == ["2.jpg"]
        bucket.cors = [{"origin": ["https://shop.example"], "method": ["GET"], "maxAgeSeconds": 60}]
        bucket.add_lifecycle_delete_rule(age=3, matches_prefix=["shared/"])
        bucket.patch(**ONCE)
        again = bucket.client.get_bucket("bkt", **ONCE)
        assert again.cors == bucket.cors
        assert len(list(again.lifecycle_rules)) == 1
        policy = bucket.get_iam_policy(**ONCE)
        policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"user:a@b.c"}})
        bucket.set_iam_policy(policy, **ONCE)
        assert len(bucket.get_iam_policy(**ONCE).bindings) == 1
        with pytest.raises(api.Conflict):
            bucket.delete(**ONCE)
        bucket.delete(force=True, **ONCE)
        assert bucket.client.lookup_bucket("bkt", **ONCE) is None

    await check(play)


async def test_signed_links_open_until_they_expire_and_forged_ones_do_not(
    bucket: storage.Bucket, emulator: StorageEmulator, clock: ManualClock, signing_key: tuple[str, bytes]
) -> None:
    def signed(key: str = signing_key[0], email: str = SIGNER, name: str = "a/ä b.jpg", **options: object) -> str:
        facts = {"private_key": key, "client_email": email, "token_uri": "http://127.0.0.1:1/token"}
        credentials = service_account.Credentials.from_service_account_info(facts)  # type: ignore[no-untyped-call]
        blob = bucket.blob(name)
        url: str = blob.generate_signed_url(
            version="v4", credentials=credentials, api_access_endpoint=emulator.url,
            **{"expiration": timedelta(minutes=10), **options},
        )  # fmt: skip
        return url

    def status(url: str, method: str = "GET") -> int:
        return requests.request(method, url, data=b"new", timeout=60).status_code

    def play() -> None:
        fill(bucket, "a/ä b.jpg", "other.jpg")
        url = signed()
        assert requests.get(url, timeout=60).content == "a/ä b.jpg".encode()
        assert requests.get(url, headers={"Range": "bytes=0-0"}, timeout=60).content == b"a"
        assert status(signed(method="PUT"), "PUT") == 200
        forgeries = {
            url.replace("a/%C3%A4%20b.jpg", "other.jpg"),
            url[:-4] + ("0000" if url[-4:] != "0000" else "1111"),
            url.replace("X-Goog-Expires=600", "X-Goog-Expires=6000"),
            signed(email="mallory@evil.example"),
        }
        assert [status(forged) for forged in forgeries] == [403] * len(forgeries)
        assert status(url, "DELETE") == 403
        assert status(url.replace("X-Goog-Expires=600", "X-Goog-Expires=x")) == 400
        assert status(url.replace("X-Goog-Expires=600", "X-Goog-Expires=604801")) == 400, "over a week"
        clock.advance(3600)  # the client signs by the real time, which has gone on since the clock was made
        assert status(url) == 400

    await check(play)


async def test_faults_are_injected_and_healed_over_http(bucket: storage.Bucket, emulator: StorageEmulator) -> None:
    control = f"{emulator.url}/_emulator/plan"

    def plan(**fault: str | int) -> int:
        return requests.put(control, json={"fault": [fault]}, timeout=60).status_code

    def play() -> None:
        fill(bucket, "x.jpg")
        for status, kind in ((503, api.ServiceUnavailable), (429, api.TooManyRequests)):
            assert plan(kind="error", status=status, method="read") == 200
            with pytest.raises(kind):
                bucket.blob("x.jpg").download_as_bytes(**ONCE)
            fill(bucket, "y.jpg")
        assert plan(kind="reset") == 200
        with pytest.raises(requests.ConnectionError):
            bucket.blob("x.jpg").download_as_bytes(**ONCE)
        for fault in ({"kind": "slow", "seconds": 60}, {"kind": "hang"}):
            assert plan(**fault) == 200
            with pytest.raises(requests.Timeout):
                bucket.blob("x.jpg").download_as_bytes(retry=None, timeout=0.1)
        for wrong in ({"kind": "boom"}, {"kind": "slow", "seconds": "x"}, {"kind": "slow", "of": 1}, {}):
            assert plan(**wrong) == 400
        requests.delete(control, timeout=60)
        assert bucket.blob("x.jpg").download_as_bytes(**ONCE) == b"x.jpg"

    await check(play)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/storage/v1/b", b"[]"),
        ("POST", "/storage/v1/b", b"{}"),
        ("POST", "/storage/v1/b", b"\xff"),
        ("GET", "/storage/v1/b/bkt/o?maxResults=many", b""),
        ("PATCH", "/storage/v1/b/bkt", b'{"lifecycle": {"rule": [{"action": {}, "condition": {}}]}}'),
        ("POST", "/upload/storage/v1/b/bkt/o?uploadType=multipart&name=x", b"no parts"),
        ("PUT", "/upload/storage/v1/b/bkt/o?upload_id=none", b""),
        ("GET", "/storage/v1/b/bkt/o/x?ifGenerationMatch=abc", b""),
        ("POST", "/storage/v1/b/bkt/o/x", b""),
        ("POST", "/batch/storage/v1", b""),
    ],
)
async def test_nonsense_is_a_client_error(
    bucket: storage.Bucket, emulator: StorageEmulator, method: str, path: str, body: bytes
) -> None:
    def play() -> None:
        answer = requests.request(method, emulator.url + path, data=body, timeout=60)
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["code"] == answer.status_code

    await check(play)
