"""Storage failing in every way never loses the picture: services.generate over the real client and a sick bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.errors import Forbidden, InvalidSetting, MissingCredentials, PerkieError, StoreUnavailable
from perkie_cli.domain.events import StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.emulators.storage.faults import Method, StorageFault, StorageFaultKind
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.conftest import CAT
from tests.contract.blob_stores import BUCKET, GcsOpener
from tests.engines import Negative
from tests.events import Recorder
from tests.pictures import taken

PHOTO = taken(CAT.read_bytes())


@pytest.fixture
def longest() -> float:
    """Seconds that a call on the bucket may take: more than any that is answered."""
    return 60.0


@pytest.fixture
async def services(
    bucket: GcsOpener, clock: ManualClock, events: Recorder, engine: Negative, tmp_path: Path, longest: float
) -> AsyncIterator[Services]:
    connection = GcsConnection(GcsPlace(BUCKET, bucket.server.url), clock, thread_workers(4), time_limit=longest)
    settings, engines = Settings(cache=CacheSettings(store="gcs")), {"auto": engine, "local": engine}
    made = build_services(settings, engines=engines, clock=clock, events=events, bucket=connection)
    yield made
    await bucket.server.aclose()  # frees threads that wait for an answer
    await made.aclose()


Break = Callable[[GcsOpener], object]
WAYS: dict[str, Break] = {
    "answers 503": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=503)]),
    "answers 429": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=429)]),
    "answers 500": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=500)]),
    "answers 400": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=400)]),
    "refuses our account": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=401)]),
    "is somebody else's": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, status=403)]),
    "resets connections": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.RESET)]),
    "fails half the time": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, share=0.5, status=503)]),
    "takes no writes": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.ERROR, Method.WRITE, status=503)]),
    "never answers": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.HANG)]),
    "never answers writes": lambda b: b.server.faults.set([StorageFault(StorageFaultKind.HANG, Method.WRITE)]),
    "is gone": lambda b: b.server.state.buckets.clear(),
}


@pytest.mark.parametrize(("way", "longest"), [(way, 0.5 if "never" in way else 60.0) for way in WAYS])
async def test_a_picture_is_drawn_and_answered_though_the_bucket(
    services: Services, bucket: GcsOpener, events: Recorder, way: str
) -> None:
    WAYS[way](bucket)
    made = await services.generate(GenerateRequest(PHOTO, "ink_wash"))
    assert made.master.width == 451
    assert made.cache is CacheOutcome.MISS
    if way != "fails half the time":
        assert made.key is None
        assert "could not be kept" in made.warnings[-1]
        assert any(isinstance(event, StoreFailed) and event.store == f"gs://{BUCKET}" for event in events.events)


async def test_a_picture_is_answered_though_the_server_is_down_and_kept_once_it_is_back(
    services: Services, bucket: GcsOpener
) -> None:
    await bucket.server.aclose()
    assert (await services.generate(GenerateRequest(PHOTO, "ink_wash"))).key is None
    await bucket.server.start()
    assert (await services.generate(GenerateRequest(PHOTO, "ink_wash"))).key is not None
    assert (await services.generate(GenerateRequest(PHOTO, "ink_wash"))).cache is CacheOutcome.HIT


async def test_passing_faults_are_got_over(services: Services, bucket: GcsOpener, clock: ManualClock) -> None:
    bucket.server.faults.set([StorageFault(StorageFaultKind.ERROR, first=2)])
    made = await services.generate(GenerateRequest(PHOTO, "ink_wash"))
    assert made.key is not None
    assert clock.slept, "it waited before it tried again"


@pytest.mark.parametrize("owner", [Owner.customer("1"), Owner.customer("2")], ids=["own copy", "shared copy"])
async def test_a_hit_stays_a_hit_when_nothing_can_be_written(
    services: Services, bucket: GcsOpener, clock: ManualClock, engine: Negative, owner: Owner
) -> None:
    first = await services.generate(GenerateRequest(PHOTO, "ink_wash", Owner.customer("1")))
    clock.advance(3 * 86400)  # the lifetime is due to slide
    bucket.server.faults.set([StorageFault(StorageFaultKind.ERROR, Method.WRITE, status=503)])
    hit = await services.generate(GenerateRequest(PHOTO, "ink_wash", owner))
    assert hit.cache_hit
    assert hit.master == first.master
    assert engine.calls == 1


SENTENCES: dict[str, tuple[Break, type[PerkieError], str]] = {
    "503": (WAYS["answers 503"], StoreUnavailable, "does not answer"),
    "reset": (WAYS["resets connections"], StoreUnavailable, "does not answer"),
    "401": (WAYS["refuses our account"], MissingCredentials, "no Google credentials"),
    "403": (WAYS["is somebody else's"], Forbidden, "not allowed"),
    "absent": (WAYS["is gone"], InvalidSetting, "does not exist"),
}


@pytest.mark.parametrize("case", SENTENCES)
async def test_a_command_is_told_in_a_sentence_what_is_wrong_with_the_bucket(
    services: Services, bucket: GcsOpener, case: str
) -> None:
    spoil, kind, words = SENTENCES[case]
    spoil(bucket)
    for call in (services.blobs.totals, services.blobs.ping):
        with pytest.raises(kind, match=words):
            await call()


async def test_without_credentials_the_hint_says_what_to_run(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    services = build_services(Settings(cache=CacheSettings(store="gcs", bucket=BUCKET)), clock=clock)
    with pytest.raises(MissingCredentials) as caught:
        await services.blobs.ping()
    assert "gcloud auth application-default login" in (caught.value.hint or "")
    assert clock.slept == []
    await services.aclose()


async def test_no_bucket_in_the_settings_is_told() -> None:
    services = build_services(Settings(cache=CacheSettings(store="gcs")))
    with pytest.raises(InvalidSetting, match="no bucket"):
        services.blobs  # noqa: B018  the access itself is tested
