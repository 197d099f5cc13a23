"""Lifetime rules and a bucket, through the real client on loopback: compare, apply, and what then goes when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from perkie_cli.domain.errors import ChangesPending, InvalidParameter, InvalidSetting, ProtectedBucket
from perkie_cli.domain.events import Audited
from perkie_cli.domain.storage.lifecycle import Action, Rule, rules_for
from perkie_cli.domain.storage.lifecycle_json import rule_to
from perkie_cli.domain.storage.lifecycle_review import Level
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import AREAS, total
from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
from perkie_cli.ports import BlobStore
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import CacheKeeping
from perkie_cli.stores.google.lifecycle import GcsRules
from perkie_cli.stores.google.storage_client import GcsConnection, GcsPlace
from perkie_cli.system.threads import thread_workers
from tests.clock import ManualClock
from tests.contract.blob_stores import BUCKET, DiskOpener, GcsOpener
from tests.events import Recorder

LIFETIMES = {area: timedelta(days=days) for area, days in zip(AREAS, (1, 180, 7, 180, 7, 30), strict=True)}
RULES = rules_for(LIFETIMES)


def lifecycle_of(bucket: GcsOpener, clock: ManualClock, events: Recorder, name: str = BUCKET) -> Lifecycle:
    connection = GcsConnection(GcsPlace(name, bucket.server.url), clock, thread_workers(2))
    return Lifecycle(GcsRules(connection), clock, events, Protection(("precious",), "tester"))


@pytest.fixture
def lifecycle(bucket: GcsOpener, clock: ManualClock, events: Recorder) -> Lifecycle:
    return lifecycle_of(bucket, clock, events)


async def put(store: BlobStore, key: str) -> None:
    await store.put(key, b"12345", content_type="image/jpeg", metadata={})


async def test_applying_twice_changes_nothing_the_second_time(
    lifecycle: Lifecycle, bucket: GcsOpener, events: Recorder
) -> None:
    first = await lifecycle.compare(RULES, given=False)
    assert first.pending
    await lifecycle.apply(first)
    after = bucket.server.state.buckets[BUCKET].metageneration
    second = await lifecycle.compare(RULES, given=False)
    assert not second.pending
    await lifecycle.apply(second)
    assert bucket.server.state.buckets[BUCKET].metageneration == after
    audited = [event for event in events.events if isinstance(event, Audited)]
    assert [(event.action, event.target, event.actor) for event in audited] == [
        ("lifecycle apply", f"gs://{BUCKET}", "tester")
    ]


async def test_a_hand_made_change_shows(lifecycle: Lifecycle, bucket: GcsOpener) -> None:
    await lifecycle.apply(await lifecycle.compare(RULES, given=False))
    rules = bucket.server.state.buckets[BUCKET].fields["lifecycle"]["rule"]
    rules[0]["condition"]["daysSinceCustomTime"] = 3
    rules[1]["condition"]["matchesPrefix"].reverse()
    rules.append({"action": {"type": "Delete"}, "condition": {"age": 1, "somethingNew": True}})
    change = await lifecycle.compare(RULES, given=False)
    assert change.added == [rule_to(RULES[0])]
    assert [rule["condition"] for rule in change.removed] == [
        {"daysSinceCustomTime": 3, "matchesPrefix": ["cutouts/"]},
        {"age": 1, "somethingNew": True},
    ]


async def test_a_change_between_looking_and_writing_is_not_overwritten(lifecycle: Lifecycle, bucket: GcsOpener) -> None:
    change = await lifecycle.compare(RULES, given=False)
    bucket.server.state.buckets[BUCKET].metageneration += 1
    with pytest.raises(ChangesPending, match="in the meantime"):
        await lifecycle.apply(change)
    assert "lifecycle" not in bucket.server.state.buckets[BUCKET].fields


async def test_protected_absent_and_wrong_change_nothing(
    bucket: GcsOpener, clock: ManualClock, events: Recorder, lifecycle: Lifecycle
) -> None:
    bucket.server.add_bucket("precious")
    guarded = lifecycle_of(bucket, clock, events, "precious")
    change = await guarded.compare(RULES, given=False)
    for wrong in (None, "", BUCKET):
        with pytest.raises(ProtectedBucket):
            await guarded.apply(change, wrong)
    with pytest.raises(InvalidSetting, match="does not exist"):
        await lifecycle_of(bucket, clock, events, "absent").compare(RULES, given=False)
    with pytest.raises(InvalidParameter, match="without a prefix"):
        await lifecycle.apply(await lifecycle.compare([Rule(Action.DELETE, age=1)], given=True))
    assert not any("lifecycle" in each.fields for each in bucket.server.state.buckets.values())
    assert events.events == []
    await guarded.apply(change, "precious")
    assert "lifecycle" in bucket.server.state.buckets["precious"].fields


async def test_a_versioned_bucket_gets_a_rule_for_what_became_noncurrent(
    lifecycle: Lifecycle, bucket: GcsOpener, clock: ManualClock
) -> None:
    home = bucket.server.state.buckets[BUCKET]
    home.fields |= {"versioning": {"enabled": True}, "softDeletePolicy": {"retentionDurationSeconds": "604800"}}
    by_file = await lifecycle.compare(RULES, given=True)
    assert [remark.level for remark in by_file.remarks] == [Level.ERROR, Level.NOTE]
    ours = await lifecycle.compare(RULES, given=False)
    assert [remark.text.partition(" ")[0] for remark in ours.remarks] == ["versioning", "soft"]
    await lifecycle.apply(ours)
    await put(bucket.open(clock), "cutouts/ab/x.png")
    clock.advance(timedelta(days=1))
    assert bucket.server.sweep() == ["cutouts/ab/x.png"]
    assert len(home.versions) == 1
    clock.advance(timedelta(days=1))
    assert total(await lifecycle.would_delete(ours.target)).count == 1
    bucket.server.sweep()
    assert all(version.soft_deleted for version in home.versions["cutouts/ab/x.png"])


async def test_delete_beats_a_change_of_class(bucket: GcsOpener, clock: ManualClock) -> None:
    both = [Rule(action, kind, matches_prefix=("shared/",), age=1)
            for action, kind in ((Action.SET_STORAGE_CLASS, "NEARLINE"), (Action.DELETE, None))]  # fmt: skip
    bucket.server.state.buckets[BUCKET].fields["lifecycle"] = {"rule": [rule_to(rule) for rule in both]}
    await put(bucket.open(clock), "shared/ab/x.jpg")
    clock.advance(timedelta(days=1))
    assert bucket.server.sweep() == ["shared/ab/x.jpg"]


async def test_the_bucket_loses_what_was_announced_and_the_disk_loses_the_same(
    lifecycle: Lifecycle, bucket: GcsOpener, clock: ManualClock, tmp_path: Path
) -> None:
    """Rules on a bucket and the sweep of the disk, object by object over 225 simulated days."""
    disk_opener = DiskOpener(tmp_path / "cache")
    stores = [bucket.open(clock), disk_opener.open(clock)]
    sweep = CacheKeeping(stores[1], clock, Recorder(), RULES, Protection())
    await lifecycle.apply(await lifecycle.compare(RULES, given=False))
    for number, area in enumerate(AREAS):
        for store in stores:
            await put(store, f"{area}/o/{number}.jpg")
        clock.advance(timedelta(hours=5))
    left = []
    for day in range(225):
        clock.advance(timedelta(hours=24, minutes=7))
        if day in (3, 40):  # a hit on each
            for store in stores:
                for info in [info async for info in store.list()]:
                    await store.touch(info, clock.now())
        announced = total(await lifecycle.would_delete(RULES)).count
        gone = bucket.server.sweep()
        assert len(gone) == announced == total(await sweep.purge(Filter(expired=True))).count
        names = [{info.key async for info in store.list()} for store in stores] if gone else []
        assert all(each == names[0] for each in names)
        left += [day] * len(gone)
    assert left == [0, 10, 10, 33, 220, 220], "1, 7, 30 and 180 days after the last use"
    await disk_opener.aclose()
