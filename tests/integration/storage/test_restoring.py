"""Pictures that went by mistake come back from a bucket, by the real client; what was meant to go does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from perkie_cli.domain.events import Audited
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.cache_key import CacheKey, cutout_key, original_key
from perkie_cli.domain.records import AuditRecord
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import AREAS
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import CacheKeeping
from perkie_cli.services.storage.restoring import EVER, Restoring
from perkie_cli.stores.google.gone import GcsGone
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.contract.blob_stores import BUCKET, GcsOpener, facts, stored
from tests.events import Recorder

RULES = rules_for(dict.fromkeys(AREAS, timedelta(days=30)))
ANNA, BERT = Owner.customer("1"), Owner.customer("2")
CAT, DOG = "ca" * 32, "d0" * 32
VERSIONS = {"versioning": {"enabled": True}, "softDeletePolicy": {"retentionDurationSeconds": "0"}}
SOFT = {"softDeletePolicy": {"retentionDurationSeconds": "604800"}}
BAD_RULE = {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1, "isLive": True}}]}


def keys_of(owner: Owner, hash_: str) -> set[str]:
    key = CacheKey(hash_, "ink_wash", "0123456789ab")
    return {original_key(owner, hash_, "jpg"), key.owned(owner), key.shared(), cutout_key(hash_, "ba9876543210")}


class Shop:
    """A bucket with the commands over it, and an audit log that is the recorded events."""

    def __init__(self, bucket: GcsOpener, clock: ManualClock, events: Recorder) -> None:
        self.bucket, self.clock, self.events = bucket, clock, events
        self.store = bucket.open(clock)
        self.keeping = CacheKeeping(self.store, clock, events, RULES, Protection())
        connection = GcsConnection(GcsPlace(BUCKET, bucket.server.url), clock, thread_workers(4))
        self.restoring = Restoring(GcsGone(connection), clock, events, RULES, "tester", self.audit)
        self.forgetful = False

    def audit(self) -> list[AuditRecord]:
        told = [] if self.forgetful else [each for each in self.events.events if isinstance(each, Audited)]
        now = self.clock.now()
        return [AuditRecord(now, e.action, e.target, e.actor, e.detail, e.before or "", e.after or "") for e in told]

    async def add(self, owner: Owner, hash_: str) -> None:
        for key in keys_of(owner, hash_):
            await self.store.put(key, key.encode(), content_type="image/jpeg", metadata={"engine": "local"})

    def lose(self) -> None:
        """Somebody's rule deletes everything."""
        self.bucket.server.state.buckets[BUCKET].fields["lifecycle"] = BAD_RULE
        self.clock.advance(timedelta(days=1, minutes=1))
        assert self.bucket.server.sweep()

    async def live(self) -> set[str]:
        return {info.key async for info in self.store.list()}

    def at_once(self) -> set[str]:
        """What is live now, without a call, during which more would happen."""
        home = self.bucket.server.state.buckets[BUCKET]
        return {name for name in home.versions if home.live(name) is not None}

    async def restore(self, chosen: Filter | None = None) -> set[str]:
        found = await self.restoring.find(chosen or Filter(), EVER)
        return {each.facts.key for each in await self.restoring.restore(chosen or Filter(), found.objects)}


@pytest.fixture(params=[VERSIONS, SOFT, {**VERSIONS, **SOFT}], ids=["versions", "soft delete", "both"])
def shop(request: pytest.FixtureRequest, bucket: GcsOpener, clock: ManualClock, events: Recorder) -> Shop:
    bucket.server.state.buckets[BUCKET].fields |= request.param
    return Shop(bucket, clock, events)


async def test_what_a_rule_deleted_comes_back_as_used_now(shop: Shop, clock: ManualClock, events: Recorder) -> None:
    await shop.add(ANNA, CAT)
    first = await stored(shop.store, original_key(ANNA, CAT, "jpg"))
    shop.lose()
    assert await shop.live() == set()
    began = clock.now()
    assert await shop.restore() == keys_of(ANNA, CAT) == await shop.live()
    back = await stored(shop.store, first.info.key)
    assert (back.data, back.info.sha256, back.info.metadata) == (first.data, first.info.sha256, first.info.metadata)
    assert back.info.content_type == "image/jpeg"
    assert back.info.touched == began.replace(microsecond=began.microsecond // 1000 * 1000)
    assert shop.bucket.server.sweep() == []
    assert await shop.restore() == set()
    told = [each for each in events.events if isinstance(each, Audited)]
    assert [(each.action, each.detail.partition(",")[0]) for each in told] == [
        ("cache restore", "4 objects"), ("cache restore", "0 objects"),
    ]  # fmt: skip


async def test_only_what_was_chosen_and_only_the_newest_version(shop: Shop, clock: ManualClock) -> None:
    await shop.add(ANNA, CAT)
    await shop.add(BERT, DOG)
    key = original_key(ANNA, CAT, "jpg")
    await shop.store.put(key, b"newer", content_type="image/jpeg", metadata={}, overwrite=True)
    shop.lose()
    assert (await shop.restoring.find(Filter(), clock.now() + timedelta(seconds=1))).objects == []
    assert await shop.restore(Filter(ANNA)) == {each for each in keys_of(ANNA, CAT) if "customers" in each}
    assert (await stored(shop.store, key)).data == b"newer"
    assert await shop.restore(Filter(hash=DOG[:8])) == keys_of(BERT, DOG)


async def test_an_object_that_was_made_anew_meanwhile_stays(shop: Shop) -> None:
    await shop.add(ANNA, CAT)
    shop.lose()
    found = await shop.restoring.find(Filter(), EVER)
    key = original_key(ANNA, CAT, "jpg")
    await shop.store.put(key, b"anew", content_type="image/jpeg", metadata={})
    assert len(await shop.restoring.restore(Filter(), found.objects)) == 3
    assert (await stored(shop.store, key)).data == b"anew"


async def test_an_interrupted_restore_records_what_came_back(shop: Shop, events: Recorder) -> None:
    await shop.add(ANNA, CAT)
    await shop.add(BERT, DOG)
    shop.lose()
    running = asyncio.ensure_future(shop.restore())
    await interrupted(running, shop.at_once)
    assert told_by(events) == f"{len(await shop.live())} objects"


async def test_an_interrupted_purge_records_what_went(shop: Shop, events: Recorder) -> None:
    await shop.add(ANNA, CAT)
    await shop.add(BERT, DOG)
    running = asyncio.ensure_future(shop.keeping.purge(Filter(prefix="shared/")))
    await interrupted(running, lambda: len(shop.at_once()) < 8)
    assert told_by(events) == f"{8 - len(await shop.live())} objects"


async def interrupted(running: asyncio.Future[Any], begun: Callable[[], object]) -> None:
    """Cancels it as soon as its first request did its work, and nobody has the answer yet."""
    while not begun():  # noqa: ASYNC110 -- the moment is in the emulator
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def told_by(events: Recorder) -> str:
    return [each.detail for each in events.events if isinstance(each, Audited)][-1].partition(",")[0]


@pytest.mark.parametrize("forgetful", [False, True], ids=["with the audit log", "on another machine"])
async def test_an_erasure_is_never_undone(shop: Shop, forgetful: bool) -> None:
    await shop.add(ANNA, CAT)
    await shop.add(BERT, DOG)
    await shop.keeping.purge(Filter(ANNA))
    shop.lose()
    shop.forgetful = forgetful
    assert (await shop.restoring.find(Filter(), EVER)).meant == 4
    assert await shop.restore() == keys_of(BERT, DOG) == await shop.live()


async def test_an_erasure_of_what_was_gone_already_counts_too(shop: Shop) -> None:
    """A customer whose pictures are gone by mistake asks for an erasure before anybody restores."""
    await shop.add(ANNA, CAT)
    await shop.add(BERT, DOG)
    shop.lose()
    await shop.keeping.purge(Filter(ANNA))
    assert await shop.restore() == keys_of(BERT, DOG)


@pytest.mark.parametrize("purged", [True, False])
async def test_what_had_passed_its_lifetime_stays_gone(shop: Shop, clock: ManualClock, purged: bool) -> None:
    await shop.add(ANNA, CAT)
    clock.advance(timedelta(days=31))
    if purged:
        await shop.keeping.purge(Filter(expired=True))
    else:
        shop.lose()
    assert await shop.live() == set()
    assert await shop.restore() == set()


async def test_a_mark_of_an_interrupted_purge_is_no_fact_of_the_object(shop: Shop) -> None:
    await shop.add(ANNA, CAT)
    key = original_key(ANNA, CAT, "jpg")
    shop.bucket.server.state.existing(BUCKET, key).fields["metadata"]["removed"] = "yes"
    assert (await facts(shop.store, key)).metadata == {"engine": "local"}
