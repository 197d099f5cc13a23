"""Uploads over the real disk store: kept once, found by their owner only, their lifetime sliding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.errors import CorruptImage
from perkie_cli.domain.people.identity import Owner
from tests.clock import ManualClock
from tests.pictures import file_of, photo, taken

PHOTO = taken(file_of(photo()))
HASH = PHOTO.hash
OWNER = Owner.session("s1")


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    made = build_services(Settings(), clock=ManualClock())
    yield made
    await made.aclose()


async def test_an_upload_is_kept_and_found_by_its_owner_only(services: Services) -> None:
    kept = await services.originals.keep(OWNER, PHOTO)
    assert await services.originals.find(OWNER, HASH) == kept
    assert await services.originals.find(Owner.session("s2"), HASH) is None
    assert await services.originals.load(kept)
    other = await services.originals.keep(Owner.session("s2"), PHOTO)
    assert other.key != kept.key
    assert await services.originals.find(Owner.session("s2"), HASH) == other


async def test_its_lifetime_slides_and_a_purged_one_is_kept_again(services: Services) -> None:
    clock = services.clock
    assert isinstance(clock, ManualClock)
    kept = await services.originals.keep(OWNER, PHOTO)
    clock.advance(timedelta(days=2))
    await services.originals.keep(OWNER, PHOTO)
    info = await services.blobs.head(kept.key)
    assert info is not None
    assert info.touched == clock.now()
    await services.blobs.delete(kept.key)
    clock.advance(timedelta(minutes=2))
    await services.originals.keep(OWNER, PHOTO)
    assert await services.blobs.head(kept.key) is not None


async def test_a_broken_upload_is_not_kept(services: Services) -> None:
    broken = taken(PHOTO.data[: len(PHOTO.data) // 2])
    with pytest.raises(CorruptImage):
        await services.originals.keep(OWNER, broken)
    assert await services.originals.keep_if_possible(OWNER, broken) is None
    assert await services.originals.find(OWNER, broken.hash) is None
