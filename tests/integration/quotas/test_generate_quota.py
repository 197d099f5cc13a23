"""What a picture costs its owner: services.generate over the real stores, with an engine that waits when told to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, QuotaSettings, Settings
from perkie_cli.domain.errors import CorruptImage, QuotaExceeded, Unavailable
from perkie_cli.domain.people.identity import Owner, Tier
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome, Generated
from perkie_cli.domain.quotas.limits import QuotaFacts, QuotaLimits, QuotaStatus, QuotaWarning
from tests.conftest import CAT
from tests.engines import Negative
from tests.pictures import file_of, photo, taken

PHOTO = taken(CAT.read_bytes())
BROKEN = taken(file_of(photo())[:5000])
ADA, BOB, CLEO = map(Owner.customer, ("ada", "bob", "cleo"))


@pytest.fixture
def services(tmp_path: Path, engine: Negative) -> Services:
    return serving(tmp_path, engine)


def serving(folder: Path, engine: Negative, **quota: object) -> Services:
    settings = Settings(
        cache=CacheSettings(dir=folder / "cache"),
        quota=QuotaSettings(customer=2, path=folder / "quotas.sqlite", **quota),  # type: ignore[arg-type]
    )
    return build_services(settings, engines={"auto": engine})


def request(owner: Owner, *, cache: CacheUse = CacheUse.REFRESH, pet: Photo = PHOTO) -> GenerateRequest:
    """A fresh drawing unless told otherwise: a hit would cost nothing."""
    return GenerateRequest(pet, "ink_wash", owner, cache=cache, size=128, charge=QuotaLimits(customer=2).charge(owner))


async def status(services: Services, owner: Owner) -> QuotaStatus:
    found = await services.quotas.status(services.quota_limits.charge(owner))
    assert found is not None
    return found


async def used(services: Services, owner: Owner) -> tuple[int, int]:
    found = await status(services, owner)
    return found.used, found.in_flight


async def test_a_picture_costs_one_and_a_hit_nothing_even_for_the_exhausted(
    services: Services, engine: Negative
) -> None:
    for expected in (1, 2):
        made = await services.generate(request(ADA))
        assert made.quota is not None
        assert made.quota.used == expected
    with pytest.raises(QuotaExceeded):
        await services.generate(request(ADA))
    hit = await services.generate(request(ADA, cache=CacheUse.NORMAL))
    assert hit.cache is CacheOutcome.HIT
    reset_at = (await status(services, ADA)).reset_at
    assert hit.facts().quota == QuotaFacts(Tier.CUSTOMER, 2, 2, 0, reset_at, QuotaWarning.EXHAUSTED, degraded=False)
    assert engine.calls == 2


async def test_what_fails_or_never_begins_costs_nothing(services: Services, engine: Negative) -> None:
    engine.errors["ink_wash"] = Unavailable("down")
    with pytest.raises(Unavailable):
        await services.generate(replace(request(ADA), fallback=frozenset()))
    with pytest.raises(CorruptImage):
        await services.generate(request(ADA, pet=BROKEN))
    assert await used(services, ADA) == (0, 0)


async def test_a_request_without_a_charge_is_not_metered(services: Services) -> None:
    made = await services.generate(GenerateRequest(PHOTO, "ink_wash", ADA, size=128))
    assert made.quota is None
    assert await used(services, ADA) == (0, 0)


@pytest.mark.parametrize(("count_local", "cost"), [(False, 0), (True, 1)])
async def test_the_local_engine_is_free_unless_the_setting_says_otherwise(
    tmp_path: Path, engine: Negative, count_local: bool, cost: int
) -> None:
    engine.name = "local"
    services = serving(tmp_path, engine, count_local=count_local)
    await services.generate(request(ADA))
    assert await used(services, ADA) == (cost, 0)


async def begin(services: Services, engine: Negative, *owners: Owner) -> list[asyncio.Task[Generated]]:
    """Starts the same request for each owner, in order; returns once the shared drawing has begun."""
    engine.gate.clear()
    tasks = []
    for owner in owners:
        tasks.append(asyncio.ensure_future(services.generate(request(owner))))
        await engine.begun.wait()
    await asyncio.sleep(0)
    return tasks


async def test_a_follower_costs_nothing(services: Services, engine: Negative) -> None:
    leader, follower = await begin(services, engine, ADA, BOB)
    engine.gate.set()
    assert (await leader).cache is CacheOutcome.MISS
    assert (await follower).cache is CacheOutcome.JOINED
    assert (await used(services, ADA), await used(services, BOB), engine.calls) == ((1, 0), (0, 0), 1)


async def test_a_cancelled_leaders_reservation_passes_to_a_waiter(services: Services, engine: Negative) -> None:
    leader, follower = await begin(services, engine, ADA, BOB)
    leader.cancel()
    await asyncio.wait([leader])
    assert (await used(services, ADA), await used(services, BOB)) == ((0, 0), (0, 1))
    engine.gate.set()
    await follower
    assert (await used(services, ADA), await used(services, BOB), engine.calls) == ((0, 0), (1, 0), 1)


async def test_a_waiter_who_leaves_while_the_reservation_passes_to_it_does_not_pay(
    services: Services, engine: Negative
) -> None:
    leaving = await begin(services, engine, ADA, BOB, CLEO)
    stays = leaving.pop()
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    engine.gate.set()
    await stays
    assert [await used(services, owner) for owner in (ADA, BOB, CLEO)] == [(0, 0), (0, 0), (1, 0)]


async def test_while_one_of_an_owners_requests_waits_it_goes_on_paying(services: Services, engine: Negative) -> None:
    leader, _, _ = tasks = await begin(services, engine, ADA, BOB, ADA)
    leader.cancel()
    await asyncio.wait([leader])
    engine.gate.set()
    await asyncio.gather(*tasks[1:])
    assert (await used(services, ADA), await used(services, BOB)) == ((1, 0), (0, 0))


async def test_a_waiter_without_a_place_is_served_at_the_leaders_cost(services: Services, engine: Negative) -> None:
    for _ in range(2):
        await services.generate(request(BOB))
    engine.begun.clear()
    leader, follower = await begin(services, engine, ADA, BOB)
    leader.cancel()
    await asyncio.wait([leader])
    engine.gate.set()
    await follower
    assert (await used(services, ADA), await used(services, BOB)) == ((1, 0), (2, 0))


async def test_when_the_last_one_leaves_the_place_comes_back(services: Services, engine: Negative) -> None:
    tasks = await begin(services, engine, ADA, BOB)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (await used(services, ADA), await used(services, BOB)) == ((0, 0), (0, 0))


async def test_a_follower_does_not_suffer_from_its_leaders_empty_quota(services: Services, engine: Negative) -> None:
    for _ in range(2):
        await services.generate(request(ADA))
    outcomes = await asyncio.gather(
        services.generate(request(ADA)), services.generate(request(BOB)), return_exceptions=True
    )
    assert isinstance(outcomes[0], QuotaExceeded)
    assert isinstance(outcomes[1], Generated)
    assert (await used(services, ADA), await used(services, BOB)) == ((2, 0), (1, 0))
