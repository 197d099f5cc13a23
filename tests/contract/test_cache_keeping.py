"""Looking after the cache, the same over every store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from perkie_cli.domain.errors import InvalidParameter, ProtectedBucket, StoreUnavailable, UsageError
from perkie_cli.domain.events import Audited
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.cache_key import CacheKey, cutout_key, original_key
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import AREAS, StoredTotal, total
from perkie_cli.ports import BlobStore
from perkie_cli.services.storage.filter import Filter
from perkie_cli.services.storage.keeping import CacheKeeping, FindingKind
from tests.clock import ManualClock
from tests.contract.blob_stores import Opener, facts
from tests.events import Recorder

ANNA, BERT = Owner.customer("1"), Owner.customer("12")
GUEST = Owner.session("s-1")
CAT, DOG = "ca" * 32, "d0" * 32
LIFETIMES = dict(
    zip(AREAS, (timedelta(days=days) for days in (1, 180, 7, 180, 7, 30)), strict=True),
)


@pytest.fixture
def keeping(store: BlobStore, clock: ManualClock, events: Recorder) -> CacheKeeping:
    return CacheKeeping(store, clock, events, rules_for(LIFETIMES), Protection(("precious",), "tester"))


async def add(store: BlobStore, owner: Owner, hash_: str, style: str = "ink_wash") -> None:
    """What one generation of ``owner`` leaves: 10 + 100 + 100 + 1000 bytes."""
    key = CacheKey(hash_, style, "0123456789ab")
    sizes = {
        original_key(owner, hash_, "jpg"): 10,
        key.owned(owner): 100,
        key.shared(): 100,
        cutout_key(hash_, "ba9876543210"): 1000,
    }
    for name, size in sizes.items():
        await store.put(name, b"x" * size, content_type="image/jpeg", metadata={})


async def keys(store: BlobStore) -> set[str]:
    return {info.key async for info in store.list()}


def counts(totals: Mapping[str, StoredTotal]) -> dict[str, int]:
    return {area: found.count for area, found in totals.items()}


async def test_statistics_are_by_area_and_filter(store: BlobStore, keeping: CacheKeeping) -> None:
    await add(store, ANNA, CAT)
    await add(store, BERT, DOG, "bw_fine_art")
    assert counts(await keeping.stats(Filter())) == {
        "cutouts": 2, "generated/customers": 2, "originals/customers": 2, "shared": 2,
    }  # fmt: skip
    assert total(await keeping.stats(Filter(owner=ANNA))) == StoredTotal(
        2, 110, (await facts(store, f"shared/ca/{CAT}_ink_wash_0123456789ab.jpg")).touched
    )
    assert counts(await keeping.stats(Filter(hash=CAT[:8], larger_than=50))) == {
        "cutouts": 1, "generated/customers": 1, "shared": 1,
    }  # fmt: skip
    assert counts(await keeping.stats(Filter(style="bw_fine_art", prefix="shared/"))) == {"shared": 1}
    assert await keeping.stats(Filter(owner=ANNA, prefix="shared/")) == {}


async def test_inspect_streams_in_key_order(store: BlobStore, keeping: CacheKeeping) -> None:
    await add(store, ANNA, CAT)
    await add(store, GUEST, CAT)
    seen = [info.key async for info in keeping.inspect(Filter(owner=GUEST))]
    assert seen == sorted(seen)
    assert all("/temp/s-1/" in key for key in seen)
    assert len(seen) == 2


async def test_erasing_a_customer_leaves_nothing_of_its_pictures_and_all_of_the_others(
    store: BlobStore, keeping: CacheKeeping, events: Recorder
) -> None:
    await add(store, ANNA, CAT, "ink_wash")
    await add(store, ANNA, CAT, "bw_fine_art")
    await add(store, BERT, CAT)
    await add(store, BERT, DOG)
    planned = await keeping.would_purge(Filter(owner=ANNA))
    gone = await keeping.purge(Filter(owner=ANNA))
    assert planned == gone
    assert total(gone).count == 1 + 2 + 2 + 1
    assert total(gone).bytes == 10 + 200 + 200 + 1000
    left = await keys(store)
    assert not [key for key in left if "/customers/1/" in key]
    assert {key for key in left if CAT in key} == {
        original_key(BERT, CAT, "jpg"),
        CacheKey(CAT, "ink_wash", "0123456789ab").owned(BERT),
    }
    assert len([key for key in left if DOG in key]) == 4
    assert events.events == [
        Audited("cache purge", f"{store.name} owner=customer:1", "tester", detail)
        for detail in ("begun", "6 objects, 1410 bytes")
    ]


@pytest.mark.parametrize("deletions", [0, 1, 2, 3, 5, 25])
async def test_an_erasure_that_was_cut_off_goes_on_where_it_stopped(
    store: BlobStore, clock: ManualClock, events: Recorder, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    uploads = 1 if deletions < 4 else 12
    for number in range(uploads):
        await add(store, ANNA, f"{number:02x}" * 32)
    rules = rules_for(LIFETIMES)
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr(store, "delete", going_down(store.delete, deletions))
        await CacheKeeping(store, clock, events, rules, Protection()).purge(Filter(owner=ANNA))
    told = [event.detail for event in events.events if isinstance(event, Audited)]
    assert [detail.split(" ")[0] for detail in told] == ["begun", str(deletions)]
    assert len(await keys(store)) == 4 * uploads - deletions
    again = await CacheKeeping(store, clock, events, rules, Protection()).purge(Filter(owner=ANNA))
    assert total(again).count == 4 * uploads - deletions
    assert await keys(store) == set()


def going_down(delete: Callable[[str], Awaitable[bool]], deletions: int) -> Callable[[str], Awaitable[bool]]:
    """``delete`` of a store that goes down after so many."""
    left = iter(range(deletions))

    async def limited(key: str) -> bool:
        if next(left, None) is None:
            raise StoreUnavailable("down")
        return await delete(key)

    return limited


async def test_expired_objects_go_exactly_when_the_rules_say(
    store: BlobStore, keeping: CacheKeeping, clock: ManualClock
) -> None:
    await add(store, ANNA, CAT)
    await add(store, GUEST, DOG)
    made, moments = clock.now(), []
    for days in (1, 2, 6, 7, 8, 29, 30, 31, 179, 180, 181):
        clock.advance(made + timedelta(days=days, seconds=-1) - clock.now())
        assert await keeping.would_purge(Filter(expired=True)) == {}
        clock.advance(1)
        if gone := counts(await keeping.purge(Filter(expired=True))):
            moments.append((days, gone))
    assert moments == [
        (1, {"cutouts": 2}),
        (7, {"generated/temp": 1, "originals/temp": 1}),
        (30, {"shared": 2}),
        (180, {"generated/customers": 1, "originals/customers": 1}),
    ]
    assert await keys(store) == set()


async def test_a_hit_slides_the_lifetime(store: BlobStore, keeping: CacheKeeping, clock: ManualClock) -> None:
    await add(store, GUEST, DOG)
    used = CacheKey(DOG, "ink_wash", "0123456789ab").owned(GUEST)
    clock.advance(timedelta(days=5))
    await store.touch(await facts(store, used), clock.now())
    clock.advance(timedelta(days=5))
    await keeping.purge(Filter(expired=True, owner=GUEST))
    assert {key for key in await keys(store) if "s-1" in key} == {used}


async def test_purging_expired_pictures_of_an_owner_is_no_erasure(
    store: BlobStore, keeping: CacheKeeping, clock: ManualClock
) -> None:
    await add(store, GUEST, DOG)
    clock.advance(timedelta(days=8))
    assert counts(await keeping.purge(Filter(expired=True, owner=GUEST))) == {"generated/temp": 1, "originals/temp": 1}
    assert counts(await store.totals()) == {"cutouts": 1, "shared": 1}


async def test_expired_and_older_must_both_hold(store: BlobStore, keeping: CacheKeeping, clock: ManualClock) -> None:
    await add(store, GUEST, DOG)
    clock.advance(timedelta(days=40))
    assert await keeping.stats(Filter(expired=True, older_than=timedelta(days=60))) == {}


async def test_erasing_one_style_leaves_the_others(store: BlobStore, keeping: CacheKeeping) -> None:
    await add(store, ANNA, CAT, "ink_wash")
    await add(store, ANNA, CAT, "bw_fine_art")
    assert counts(await keeping.purge(Filter(owner=ANNA, style="ink_wash"))) == {"generated/customers": 1, "shared": 1}


async def test_verify_names_what_is_damaged_and_repair_removes_it(
    opener: Opener, store: BlobStore, keeping: CacheKeeping
) -> None:
    await add(store, ANNA, CAT)
    bad = original_key(ANNA, CAT, "jpg")
    await opener.damage(bad, b"0123456789")
    for repair in (False, True):
        found = [finding async for finding in keeping.verify(Filter(), repair=repair)]
        assert [(finding.key, finding.kind) for finding in found] == [(bad, FindingKind.DAMAGED)]
    assert [finding async for finding in keeping.verify(Filter())] == []
    assert bad not in await keys(store)


async def test_a_repair_that_was_cut_off_is_on_record(
    opener: Opener, store: BlobStore, keeping: CacheKeeping, events: Recorder
) -> None:
    await add(store, ANNA, CAT)
    await opener.damage(original_key(ANNA, CAT, "jpg"), b"0123456789")
    findings = keeping.verify(Filter(), repair=True)
    await anext(findings)
    await findings.aclose()
    assert events.events == [Audited("cache verify", store.name, "tester", "1 repaired")]


@pytest.mark.parametrize("prefix", ["/etc/", "../", "shared/../../x", "generated/customers/1*"])
def test_a_prefix_begins_a_key(prefix: str) -> None:
    with pytest.raises(InvalidParameter):
        Filter(prefix=prefix)


async def test_nothing_is_purged_without_a_word_about_what(store: BlobStore, keeping: CacheKeeping) -> None:
    await add(store, ANNA, CAT)
    for call in (keeping.purge(Filter()), keeping.would_purge(Filter())):
        with pytest.raises(UsageError):
            await call
    assert len(await keys(store)) == 4


@pytest.mark.parametrize("hash_", ["", "abc", "ABCDEF01", "../../etc", "a" * 65, "%2525252"])
def test_a_hash_is_hexadecimal(hash_: str) -> None:
    with pytest.raises(InvalidParameter):
        Filter(hash=hash_)


async def test_a_protected_store_is_left_alone_unless_named(store: BlobStore, clock: ManualClock) -> None:
    await add(store, ANNA, CAT)
    bucket = store.name.removeprefix("gs://")
    keeping = CacheKeeping(store, clock, Recorder(), (), Protection((bucket,)))
    for wrong in (None, "", "other"):
        with pytest.raises(ProtectedBucket):
            await keeping.purge(Filter(owner=ANNA), wrong)
        with pytest.raises(ProtectedBucket):
            _ = [finding async for finding in keeping.verify(Filter(), repair=True, acknowledged=wrong)]
    assert len(await keys(store)) == 4
    assert total(await keeping.purge(Filter(owner=ANNA), bucket)).count == 4
