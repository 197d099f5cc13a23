"""services.generate over the real disk store and codec, with an engine that counts."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import BadInput, TooSmall, Unavailable, UnknownStyle, UsageError
from perkie_cli.domain.events import CacheLookup, Event
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome, Generated
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.engines.local.scene import pet as pets
from perkie_cli.ports import EventSink
from perkie_cli.resilience.turns import Load
from tests.clock import TURNS, ManualClock
from tests.conftest import CAT
from tests.engines import Negative
from tests.pictures import file_of, photo, taken, with_hole

PHOTO = taken(CAT.read_bytes())
OTHER = taken(PHOTO.data + b" ")
BROKEN = taken(file_of(photo())[:5000])


@pytest.fixture
def services(tmp_path: Path, engine: Negative) -> Services:
    return serving(tmp_path, engine)


def serving(folder: Path, engine: Negative, **parts: Any) -> Services:
    settings = Settings(cache=CacheSettings(dir=folder / "cache"))
    return build_services(settings, engines={"auto": engine, "negative": engine}, **parts)


def request(**changes: object) -> GenerateRequest:
    return replace(GenerateRequest(PHOTO, "ink_wash"), **changes)  # type: ignore[arg-type]


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "cache").rglob("*.jpg"))


async def test_a_second_identical_request_is_a_hit_and_says_who_drew_it(services: Services, engine: Negative) -> None:
    first = await services.generate(request())
    second = await services.generate(request())
    assert (first.cache, second.cache, engine.calls) == (CacheOutcome.MISS, CacheOutcome.HIT, 1)
    assert second.master == first.master
    assert (second.engine, second.model, second.key) == ("negative", "inverter", first.key)
    assert second.facts().cache_hit is True


def test_what_becomes_of_the_background_makes_another_picture(tmp_path: Path) -> None:
    services = build_services(Settings(cache=CacheSettings(dir=tmp_path / "cache")))
    plain, auto, keep, replaced = (
        services.generate.plan(request(engine="local", background=use)).key.fingerprint
        for use in (None, *BackgroundUse)
    )
    assert plain == auto
    assert len({auto, keep, replaced}) == 3


def test_a_background_is_not_both_removed_and_kept(services: Services) -> None:
    with pytest.raises(UsageError, match="contradict each other"):
        services.generate.plan(request(remove_background=True, background=BackgroundUse.KEEP))


async def test_an_engine_that_does_not_heed_the_background_says_so(services: Services) -> None:
    for _ in range(2):  # drawn, then from the cache
        kept = await services.generate(request(background=BackgroundUse.KEEP))
        assert kept.warnings == ("background=keep was not applied: negative decides itself what is behind the pet",)
    for heeded in (None, BackgroundUse.AUTO):
        assert (await services.generate(request(background=heeded))).warnings == ()


async def test_the_local_engine_reads_its_network_for_the_first_photo_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(pets, "read_ahead", lambda _weights: read.append("ahead"))
    services = build_services(Settings(cache=CacheSettings(dir=tmp_path / "cache")))
    cut_out = taken(file_of(with_hole(photo()), "PNG"))
    for of, expected in ((cut_out, []), (PHOTO, ["ahead"]), (OTHER, ["ahead"])):
        await services.generate(request(photo=of, engine="local", size=256))
        assert read == expected
    await services.aclose()


async def test_the_local_engine_heeds_the_background(tmp_path: Path) -> None:
    services = build_services(Settings(cache=CacheSettings(dir=tmp_path / "cache")))
    drawn = await services.generate(request(engine="local", size=256, background=BackgroundUse.REPLACE))
    assert drawn.warnings == ()
    await services.aclose()


@pytest.mark.parametrize("change", [{"size": 512}, {"style": "classic"}, {"photo": OTHER}, {"model": "other"}])
async def test_what_changes_the_look_or_the_input_is_another_picture(
    services: Services, engine: Negative, change: dict[str, object]
) -> None:
    await services.generate(request())
    assert (await services.generate(request(**change))).cache is CacheOutcome.MISS
    assert engine.calls == 2


async def test_a_changed_recipe_never_serves_the_old_picture(services: Services, engine: Negative) -> None:
    await services.generate(request())
    engine.version = "2"
    assert (await services.generate(request())).cache is CacheOutcome.MISS


async def test_the_same_bytes_from_somebody_else_are_a_hit_with_a_copy_of_their_own(
    services: Services, engine: Negative, tmp_path: Path
) -> None:
    await services.generate(request(owner=Owner.customer("1")))
    other = await services.generate(request(owner=Owner.customer("2")))
    again = await services.generate(request(owner=Owner.customer("2")))
    assert (other.cache, again.cache, engine.calls) == (CacheOutcome.SHARED, CacheOutcome.HIT, 1)
    folders = {path.parent.name for path in stored(tmp_path)}
    assert {"1", "2"} <= folders


async def test_refresh_draws_again_and_replaces(services: Services, engine: Negative) -> None:
    old = await services.generate(request())
    engine.white = 200
    fresh = await services.generate(request(cache=CacheUse.REFRESH))
    assert (fresh.cache, engine.calls) == (CacheOutcome.MISS, 2)
    assert fresh.master != old.master
    for owner in (ANONYMOUS, Owner.customer("1")):
        assert (await services.generate(request(owner=owner))).master == fresh.master, "the owner's and the shared copy"


async def test_no_cache_leaves_nothing_behind(services: Services, engine: Negative, tmp_path: Path) -> None:
    made = await services.generate(request(cache=CacheUse.OFF))
    assert (made.cache, made.key, stored(tmp_path)) == (CacheOutcome.OFF, None, [])


async def test_a_hundred_at_once_are_one_drawing(services: Services, engine: Negative) -> None:
    engine.gate.clear()
    owners = [Owner.customer(str(n % 5)) for n in range(100)]
    tasks = [asyncio.create_task(services.generate(request(owner=owner))) for owner in owners]
    await engine.begun.wait()
    tasks[0].cancel()  # the leader
    tasks[50].cancel()
    engine.gate.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    good = [each for each in done if isinstance(each, Generated)]
    assert engine.calls == 1
    assert len(good) == 98
    assert {each.master.data for each in good} == {good[0].master.data}
    assert all(each.key is not None for each in good)


class Misses(EventSink):
    """An event sink that tells when the cache was asked in vain."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()

    def emit(self, event: Event) -> None:
        if isinstance(event, CacheLookup) and event.outcome == CacheOutcome.MISS:
            self.seen.set()


async def test_a_follower_gets_a_copy_of_its_own(tmp_path: Path, engine: Negative) -> None:
    misses = Misses()
    services = serving(tmp_path, engine, events=misses)
    engine.gate.clear()
    leading = asyncio.create_task(services.generate(request(owner=Owner.customer("1"))))
    await engine.begun.wait()
    misses.seen.clear()
    following = asyncio.create_task(services.generate(request(owner=Owner.customer("2"))))
    await asyncio.wait_for(misses.seen.wait(), 60)
    for _ in range(TURNS):  # from its miss to joining nothing waits for the disk
        await asyncio.sleep(0)
    engine.gate.set()
    leader, follower = await asyncio.gather(leading, following)
    assert (leader.cache, follower.cache, engine.calls) == (CacheOutcome.MISS, CacheOutcome.JOINED, 1)
    assert {path.parent.name for path in stored(tmp_path)} >= {"1", "2"}
    assert "/customers/2/" in (follower.key or "")


async def test_a_refresh_does_not_join_one_who_takes_what_is_there(services: Services, engine: Negative) -> None:
    engine.gate.clear()
    usual = asyncio.create_task(services.generate(request()))
    await engine.begun.wait()
    engine.begun.clear()
    fresh = asyncio.create_task(services.generate(request(cache=CacheUse.REFRESH)))
    await asyncio.wait_for(engine.begun.wait(), 60)
    engine.gate.set()
    await asyncio.gather(usual, fresh)
    assert engine.calls == 2


async def test_what_another_process_drew_while_one_waited_its_turn_is_taken(services: Services, tmp_path: Path) -> None:
    idle = Negative()
    waiting = serving(tmp_path, idle)
    async with waiting.drawing_turns.hold(Load(math.inf, "all", Deadline.never())):
        late = asyncio.create_task(waiting.generate(request()))
        while not waiting.drawing_turns.waiting:  # noqa: ASYNC110  # the queue tells nobody
            await asyncio.sleep(0)
        await services.generate(request())
    assert ((await late).cache, idle.calls) == (CacheOutcome.HIT, 0)


async def test_a_hit_slides_the_lifetime(tmp_path: Path, engine: Negative) -> None:
    clock = ManualClock()
    services = serving(tmp_path, engine, clock=clock)
    made = await services.generate(request())
    clock.advance(3 * 86400)
    await services.generate(request())
    kept = await services.blobs.head(made.key or "")
    assert kept is not None
    assert (kept.touched, kept.created) == (clock.now(), clock.now() - timedelta(days=3))


async def test_the_last_to_leave_stops_the_drawing(services: Services, engine: Negative, tmp_path: Path) -> None:
    engine.gate.clear()
    task = asyncio.create_task(services.generate(request()))
    await engine.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    engine.gate.set()
    assert stored(tmp_path) == []
    assert (await services.generate(request())).cache is CacheOutcome.MISS


async def test_a_failed_drawing_keeps_nothing(services: Services, engine: Negative, tmp_path: Path) -> None:
    engine.errors["ink_wash"] = Unavailable("no paint")
    with pytest.raises(Unavailable):
        await services.generate(request(fallback=frozenset()))
    assert stored(tmp_path) == []


async def test_storage_failing_never_loses_the_picture(tmp_path: Path, engine: Negative) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    made = await serving(tmp_path, engine).generate(request())
    assert made.key is None
    assert made.master.width == 451
    assert "could not be kept" in made.warnings[-1]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"photo": BROKEN}, BadInput),
        ({"style": "nope"}, UnknownStyle),
        ({"engine": "nope"}, UsageError),
    ],
)
async def test_bad_input_never_reaches_the_engine(
    services: Services, engine: Negative, change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await services.generate(request(**change))
    assert engine.calls == 0


async def test_limits_are_the_settings(tmp_path: Path, engine: Negative) -> None:
    services = serving(tmp_path, engine, limits=ImageLimits(min_side=400))
    with pytest.raises(TooSmall, match=r"pet\.png is 451 × 300"):
        await services.storefront.uploaded(PHOTO.data, "pet.png")
