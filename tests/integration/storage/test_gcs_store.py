"""What only the bucket's store does: signed links, pages, and no confusion with what others put there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.cloud import storage
from google.oauth2 import service_account

from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import AREAS, total
from perkie_cli.emulators.http_server import Handler, Request, Response, Wire
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import CacheKeeping, FindingKind
from perkie_cli.stores.google.blobs import GcsBlobs
from perkie_cli.stores.google.buckets import GcsBuckets
from perkie_cli.stores.google.lifecycle import GcsRules
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.contract.blob_stores import BUCKET, SIGNER, GcsOpener, facts, stored
from tests.events import Recorder
from tests.http_server import PHOTO64, running

RULES = rules_for(dict.fromkeys(AREAS, timedelta(days=30)))
KEY = "generated/customers/42/ab_ink_wash_01.jpg"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@frozen
class ServiceAccountPlace(GcsPlace):
    """As in production: credentials that can sign."""

    private_key: str = ""

    def connect(self) -> tuple[storage.Client, Any]:
        facts = {"private_key": self.private_key, "client_email": SIGNER, "token_uri": "http://127.0.0.1:1/token"}
        credentials = service_account.Credentials.from_service_account_info(facts)  # type: ignore[no-untyped-call]
        options = {"api_endpoint": self.endpoint}
        return storage.Client(project="p", credentials=credentials, client_options=options), credentials


@pytest.fixture
async def bucket(clock: ManualClock, signing_key: tuple[str, bytes]) -> AsyncIterator[GcsOpener]:
    opener = await GcsOpener(clock, keys={SIGNER: signing_key[1]}).start()
    yield opener
    await opener.aclose()


async def test_a_signed_link_opens_the_picture_until_it_expires(
    bucket: GcsOpener,
    clock: ManualClock,
    signing_key: tuple[str, bytes],
) -> None:
    await bucket.open(clock).put(KEY, b"picture", content_type="image/jpeg", metadata={})
    place = ServiceAccountPlace(BUCKET, bucket.server.url, signing_key[0])
    store = GcsBlobs(GcsConnection(place, clock, thread_workers(1)), clock)
    url = await store.signed_url(KEY, timedelta(minutes=15))
    assert url is not None
    answer = await asyncio.to_thread(requests.get, url, timeout=60)
    assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/jpeg")
    clock.advance(3600)  # the client signs by the real time, which has gone on since the clock was made
    assert (await asyncio.to_thread(requests.get, url, timeout=60)).status_code == 400
    await store.aclose()


@pytest.mark.parametrize("direct", [False, True])
async def test_links_to_the_bucket_itself_are_for_pictures_that_name_nobody(
    bucket: GcsOpener, clock: ManualClock, signing_key: tuple[str, bytes], direct: bool
) -> None:
    place = ServiceAccountPlace(BUCKET, bucket.server.url, signing_key[0])
    signer = GcsBlobs(GcsConnection(place, clock, thread_workers(1)), clock)

    class Signing(GcsBlobs):
        """Signs with one account, and reads and writes without: nobody gives out tokens here."""

        async def signed_url(self, key: str, lifetime: timedelta) -> str | None:
            return await signer.signed_url(key, lifetime)

    connection = GcsConnection(GcsPlace(BUCKET, bucket.server.url), clock, thread_workers(2))
    store = Signing(connection, clock)
    async with running(HttpSettings(bucket_links=direct), blobs=store) as server:
        body = {"image_data": PHOTO64, "styles": "ink_wash", "session_id": "anna77"}
        told = (await server.client.post("/api/v2/process", json=body)).json()
        cutout, drawn = told["cutout"]["result"], told["results"][0]["result"]
        assert cutout["image_url"].startswith(f"{bucket.server.url}/{BUCKET}/cutouts/")
        for url in (drawn["image_url"], drawn["original_url"]):
            assert ("anna77" in url) == direct
            assert url.startswith(bucket.server.url if direct else str(server.client.base_url))
            answer = await asyncio.to_thread(requests.get, url, timeout=60)
            assert (answer.status_code, answer.headers["content-type"].partition("/")[0]) == (200, "image")


async def test_credentials_that_cannot_sign_give_no_link(bucket: GcsOpener, clock: ManualClock) -> None:
    assert await bucket.open(clock).signed_url(KEY, timedelta(minutes=15)) is None


async def test_listing_goes_page_by_page(bucket: GcsOpener, clock: ManualClock) -> None:
    state, home = bucket.server.state, bucket.server.state.buckets[BUCKET]
    for number in range(2500):
        state.write(home, f"shared/ab/{number:05d}.jpg", b"x", {"contentType": "image/jpeg"})
    infos = [info async for info in bucket.open(clock).list()]
    assert [info.key for info in infos] == [f"shared/ab/{number:05d}.jpg" for number in range(2500)]
    assert sum(request.endswith("/o") for request in bucket.server.seen) == 3


@pytest.mark.parametrize(
    ("time", "read"),
    [
        ("2026-05-01T12:00:00+00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00.123456789-07:00", datetime(2026, 5, 1, 19, 0, 0, 123456, tzinfo=UTC)),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("yesterday", None),
        (1777636800, None),
        ({"at": "noon"}, None),
    ],
)
async def test_a_time_that_somebodys_tool_wrote_stops_no_command(
    bucket: GcsOpener, clock: ManualClock, events: Recorder, time: object, read: datetime | None
) -> None:
    """The emulator keeps times as Google does; a server that stands in for it may not."""
    store = bucket.open(clock)
    await store.put(KEY, b"picture", content_type="image/jpeg", metadata={"engine": "local"})
    home = bucket.server.state.buckets[BUCKET]
    bucket.server.state.write(home, "shared/ab/odd_ink_wash_01.jpg", b"x", {"contentType": "x", "customTime": time})
    keeping = CacheKeeping(store, clock, events, RULES, Protection())
    seen = [info async for info in keeping.inspect(Filter())]
    assert [info.touched for info in seen] == [(await facts(store, KEY)).touched, read or clock.now()]
    assert total(await keeping.stats(Filter())).count == 2
    found = [each async for each in keeping.verify(Filter(), repair=True)]
    assert [(each.kind, each.remedy) for each in found] == [(FindingKind.SENSELESS_FACTS, "renewed")] * (read is None)
    assert [each async for each in keeping.verify(Filter())] == []
    assert (await stored(store, seen[1].key)).data == b"x"
    assert total(await keeping.would_purge(Filter(expired=True))).count == (read is not None)
    connection = GcsConnection(GcsPlace(BUCKET, bucket.server.url), clock, thread_workers(1))
    assert len([each async for each in GcsRules(connection).versions()]) == 2
    assert len(await GcsBuckets(lambda _: connection).list(BUCKET, "")) == 2


async def test_objects_of_others_are_read_but_names_that_are_no_keys_are_passed_over(
    bucket: GcsOpener, clock: ManualClock
) -> None:
    state, home, store = bucket.server.state, bucket.server.state.buckets[BUCKET], bucket.open(clock)
    for name in ("folder/", "no ending", "ä.jpg", "by/hand.jpg"):
        state.write(home, name, b"x", {"contentType": "image/jpeg"})
    assert [info.key async for info in store.list()] == ["by/hand.jpg"]
    blob = await store.get("by/hand.jpg")
    assert blob is not None
    assert blob.info.touched == clock.now()


class Gauge:
    """Counts requests under way in the emulator."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def around(self, handle: Handler) -> Handler:
        async def counted(request: Request, wire: Wire) -> Response | None:
            if "/o/" not in request.raw_path:  # the client asks for the bucket's facts by itself, once
                return await handle(request, wire)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.01)
            try:
                return await handle(request, wire)
            finally:
                self.now -= 1

        return counted


async def test_the_number_of_requests_under_way_is_bounded(bucket: GcsOpener, clock: ManualClock) -> None:
    gauge = Gauge()
    bucket.server.handler = gauge.around(bucket.server.handler)
    store = bucket.open(clock)
    await asyncio.gather(*(store.head(f"shared/ab/{number}.jpg") for number in range(60)))
    assert 1 < gauge.most <= 8
