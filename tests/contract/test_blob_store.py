"""One suite over every implementation of ``ports.BlobStore``."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.storage.selection import Selection, StoredTotal, area_of, total
from perkie_cli.ports import BlobStore
from tests.clock import ManualClock
from tests.contract.blob_stores import Opener, facts, stored

HASH = "ab" * 32
KEY = f"generated/customers/42/{HASH}_ink_wash_0123456789ab.jpg"
SHARED = f"shared/ab/{HASH}_ink_wash_0123456789ab.jpg"


async def put(store: BlobStore, key: str, data: bytes = b"picture", **metadata: str) -> bool:
    return await store.put(key, data, content_type="image/jpeg", metadata=metadata)


async def keys(store: BlobStore, selection: Selection | None = None) -> list[str]:
    return [info.key async for info in store.list(selection or Selection())]


async def test_what_was_put_comes_back_with_its_facts(store: BlobStore, clock: ManualClock) -> None:
    assert await put(store, KEY, b"\xff\xd8 picture", engine="local", model="ink \N{PAW PRINTS}")
    blob = await store.get(KEY)
    assert blob is not None
    assert blob.data == b"\xff\xd8 picture"
    assert blob.info == await store.head(KEY)
    info = blob.info
    assert (info.key, info.size, info.content_type) == (KEY, len(blob.data), "image/jpeg")
    assert info.sha256 == hashlib.sha256(blob.data).hexdigest()
    assert dict(info.metadata) == {"engine": "local", "model": "ink \N{PAW PRINTS}"}
    assert info.touched == clock.now()


async def test_an_absent_object_is_none_and_nothing_to_delete(store: BlobStore) -> None:
    assert await store.get(KEY) is None
    assert await store.head(KEY) is None
    assert await store.delete(KEY) is False
    assert await store.copy(KEY, SHARED) is False
    assert await keys(store) == []


async def test_an_empty_object_is_an_object(store: BlobStore) -> None:
    await put(store, KEY, b"")
    blob = await store.get(KEY)
    assert blob is not None
    assert blob.data == b""


async def test_the_first_write_wins_unless_told_to_overwrite(store: BlobStore) -> None:
    assert await put(store, KEY, b"first")
    first = await facts(store, KEY)
    assert not await put(store, KEY, b"second")
    assert (await stored(store, KEY)).data == b"first"
    assert await store.put(KEY, b"third", content_type="image/png", metadata={}, overwrite=True)
    third = await stored(store, KEY)
    assert third.data == b"third"
    assert third.info.generation > first.generation


async def test_a_copy_has_its_own_lifetime(store: BlobStore, clock: ManualClock) -> None:
    await put(store, SHARED, b"one", engine="gemini")
    clock.advance(timedelta(days=3))
    assert await store.copy(SHARED, KEY)
    source, copied = await facts(store, SHARED), await stored(store, KEY)
    assert copied.data == b"one"
    assert dict(copied.info.metadata) == {"engine": "gemini"}
    assert copied.info.touched - source.touched == timedelta(days=3)
    assert await store.delete(SHARED)
    assert (await stored(store, KEY)).data == b"one"


async def test_copying_leaves_an_existing_target_alone(store: BlobStore) -> None:
    await put(store, SHARED, b"shared")
    await put(store, KEY, b"own")
    assert await store.copy(SHARED, KEY)
    assert (await stored(store, KEY)).data == b"own"


async def test_touching_slides_forward_at_most_daily_and_never_back(store: BlobStore, clock: ManualClock) -> None:
    await put(store, KEY)
    made = clock.now()

    async def touched_by(when: timedelta) -> timedelta:
        await store.touch(await facts(store, KEY), made + when)
        return (await facts(store, KEY)).touched - made

    assert await touched_by(timedelta(hours=23)) == timedelta(0)
    assert await touched_by(timedelta(days=2)) == timedelta(days=2)
    assert await touched_by(timedelta(days=1)) == timedelta(days=2)
    gone = await facts(store, KEY)
    await store.delete(KEY)
    await store.touch(gone, made + timedelta(days=9))
    assert await store.head(KEY) is None


async def test_a_stale_touch_does_not_move_the_time_back(store: BlobStore, clock: ManualClock) -> None:
    await put(store, KEY)
    early, made = await facts(store, KEY), clock.now()
    await store.touch(early, made + timedelta(days=5))
    await store.touch(early, made + timedelta(days=2))
    assert (await facts(store, KEY)).touched == made + timedelta(days=5)


async def test_damaged_bytes_are_never_served_and_can_be_written_again(opener: Opener, store: BlobStore) -> None:
    await put(store, KEY, b"picture")
    await opener.damage(KEY, b"rotten!")
    assert await store.get(KEY) is None
    assert await store.head(KEY) is not None
    assert await put(store, KEY, b"picture")
    assert (await stored(store, KEY)).data == b"picture"


async def test_listing_is_in_key_order_and_survives_deletion_meanwhile(store: BlobStore) -> None:
    names = [f"shared/ab/{number:03d}.jpg" for number in range(60)] + ["shared/ab-c/0.jpg", "cutouts/ab/0.png"]
    for name in reversed(names):
        await put(store, name)
    seen = []
    async for info in store.list():
        seen.append(info.key)
        await store.delete(info.key)
    assert seen == sorted(names)
    assert await keys(store) == []


async def test_a_prefix_ends_where_it_says(store: BlobStore) -> None:
    for owner in ("4", "42", "42_", "420"):
        await put(store, f"generated/customers/{owner}/x.jpg")
    assert await keys(store, Selection("generated/customers/42/")) == ["generated/customers/42/x.jpg"]
    assert len(await keys(store, Selection("generated/customers/42"))) == 3


async def test_tallies_are_by_area(store: BlobStore, clock: ManualClock) -> None:
    await put(store, "originals/temp/s/a.jpg", b"12345")
    clock.advance(60)
    await put(store, "originals/temp/t/b.jpg", b"1")
    await put(store, "originals/customers/c/b.jpg", b"12")
    await put(store, "elsewhere.bin", b"123")
    totals = await store.totals()
    assert set(totals) == {"originals/temp", "originals/customers", "other"}
    assert totals["originals/temp"] == StoredTotal(2, 6, clock.now() - timedelta(seconds=60))
    assert total(totals).bytes == 11
    assert await store.totals(Selection("nothing/")) == {}


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "a", "/a.jpg", "a.jpg/", "../a.jpg", "a/../b.jpg", "a/./b.jpg", "a//b.jpg", "a\\b.jpg", "a\n.jpg",
        "a.jpg\n", "a.b/c.jpg", ".a.jpg", "a..jpg", "a\0.jpg", "ä.jpg", "C:/a.jpg", "~/a.jpg", "a/" * 300 + "a.jpg",
    ],
)  # fmt: skip
async def test_a_key_that_could_leave_its_folder_is_refused_everywhere(store: BlobStore, key: str) -> None:
    for call in (put(store, key), store.get(key), store.head(key), store.delete(key), store.copy(KEY, key)):
        with pytest.raises(InvalidParameter):
            await call


@pytest.mark.parametrize("metadata", [{"email": "a@b.c"}, {"model": "x" * 257}])
async def test_only_listed_facts_are_stored(store: BlobStore, metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        await store.put(KEY, b"picture", content_type="image/jpeg", metadata=metadata)
    assert await store.head(KEY) is None


FOLDERS = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True), max_size=3)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}\.[a-z0-9]{1,4}", fullmatch=True)
KEYS = st.tuples(FOLDERS, NAMES).map(lambda parts: "/".join([*parts[0], parts[1]]))
AREA_KEYS = st.tuples(
    st.sampled_from(["shared/ab", "originals/temp/s", "generated/customers/42", "cutouts/ab"]),
    st.from_regex(r"[0-9a-f]{4}(_(ink_wash|bw_fine_art)_[0-9a-f]{3})?\.jpg", fullmatch=True),
).map("/".join)


@settings(max_examples=25)
@given(objects=st.dictionaries(KEYS | AREA_KEYS, st.binary(max_size=40), max_size=12))
async def test_any_keys_live_side_by_side(store: BlobStore, objects: dict[str, bytes]) -> None:
    for key in await keys(store):
        await store.delete(key)
    for key, data in objects.items():
        assert await put(store, key, data)
    assert await keys(store) == sorted(objects)
    for key, data in objects.items():
        assert (await stored(store, key)).data == data


@settings(max_examples=25)
@given(
    objects=st.dictionaries(AREA_KEYS, st.binary(max_size=20), min_size=1, max_size=12),
    prefix=st.sampled_from(["", "shared/", "originals/temp/s/", "gen"]),
    beginning=st.none() | st.from_regex(r"[0-9a-f]{1,2}", fullmatch=True),
    style=st.sampled_from([None, None, "ink_wash", "bw_fine_art", "", "fine"]),
    larger=st.none() | st.integers(0, 20),
    until=st.none() | st.integers(0, 12),
)
async def test_a_store_selects_as_the_rule_says(
    store: BlobStore, clock: ManualClock, objects: dict[str, bytes], prefix: str, beginning: str | None,
    style: str | None, larger: int | None, until: int | None,
) -> None:  # fmt: skip
    for key in await keys(store):
        await store.delete(key)
    start = clock.now()
    for key, data in objects.items():
        await put(store, key, data)
        clock.advance(1)
    limit = None if until is None else start + timedelta(seconds=until)
    selection = Selection(prefix, beginning, style, limit, larger)
    stored = [info async for info in store.list()]
    expected = [info for info in stored if selection.matches(info.key, info.size, info.touched)]
    assert [info async for info in store.list(selection)] == expected
    totals = await store.totals(selection)
    assert total(totals) == sum((StoredTotal(1, info.size, info.touched) for info in expected), StoredTotal())
    assert set(totals) == {area_of(info.key) for info in expected}


async def test_of_sixteen_writers_one_wins_and_no_reader_sees_a_torn_object(opener: Opener, clock: ManualClock) -> None:
    stores = [opener.open(clock) for _ in range(4)]
    whole = {bytes([number]) * 300_000 for number in range(16)}
    seen: list[bytes] = []

    async def read() -> None:
        for _ in range(10):
            blob = await stores[0].get(KEY)
            if blob is not None:
                seen.append(blob.data)
            await asyncio.sleep(0)

    writers = [put(stores[number % 4], KEY, data) for number, data in enumerate(whole)]
    *won, _ = await asyncio.gather(*writers, read())
    assert won.count(True) == 1
    final = await stored(stores[1], KEY)
    assert set(seen) <= {final.data} <= whole
    assert await keys(stores[0]) == [KEY]


async def test_readers_see_one_version_or_the_other_while_it_is_overwritten(opener: Opener, clock: ManualClock) -> None:
    writer, reader = opener.open(clock), opener.open(clock)
    versions = [bytes([number]) * 100_000 for number in range(12)]
    await put(writer, KEY, versions[0])
    finished = asyncio.Event()

    async def write() -> None:
        for data in versions:
            await writer.put(KEY, data, content_type="image/jpeg", metadata={}, overwrite=True)
        finished.set()

    async def read() -> int:
        count = 0
        while not finished.is_set():
            blob = await reader.get(KEY)
            assert blob is not None
            assert blob.data in versions
            assert blob.info.sha256 == hashlib.sha256(blob.data).hexdigest()
            count += 1
        return count

    _, reads = await asyncio.gather(write(), read())
    assert reads > 0


async def test_ping_answers(store: BlobStore) -> None:
    await store.ping()


async def test_a_whole_store_has_no_strays(store: BlobStore) -> None:
    await put(store, KEY)
    assert [stray async for stray in store.strays(repair=True)] == []
    assert await keys(store) == [KEY]
