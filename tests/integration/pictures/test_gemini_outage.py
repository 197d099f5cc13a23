"""The whole service over a failing Gemini: nobody is left without a picture, nobody waits past the deadline."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.models import load_models
from perkie_cli.config.schema import CacheSettings, GeminiSettings, MattingSettings, Settings
from perkie_cli.domain import errors
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome, Generated
from perkie_cli.domain.secret import Secret
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.imaging import codec
from perkie_cli.ports import Clock
from perkie_cli.resilience.breaker import Breaker, BreakerPolicy, BreakerState
from tests.clock import START
from tests.conftest import ROOT
from tests.events import Recorder
from tests.gemini_bench import KEY, photo
from tests.jumping_loop import LoopClock
from tests.pictures import taken

pytestmark = pytest.mark.jumping

NONE: frozenset[Fallback] = frozenset()
ALL = frozenset(Fallback)
MODEL = GeminiSettings().model
KINDS = ["outage", "error", "overloaded", "slow", "hang", "drip", "reset", "truncated", "corrupt", "empty"]
KINDS += ["blocked", "wrong_json"]


PICTURE = codec.encode(photo(260, 256), ImageFormat.PNG).data
BROKEN = taken(codec.encode(photo(260, 256), ImageFormat.JPEG).data[:5000])


def picture(seed: int) -> bytes:
    """A different small upload for each seed: readers of PNG stop at its last chunk."""
    return PICTURE + seed.to_bytes(4, "big")


@asynccontextmanager
async def serving(
    folder: Path,
    clock: Clock,
    accepts: str | None = None,
    replaced: Callable[[Services], dict[str, Any]] = lambda _: {},
    **gemini: Any,
) -> AsyncIterator[tuple[Services, GeminiEmulator]]:
    """``replaced`` gives parts in the place of those that the services would have."""
    emulator = GeminiEmulator(TinyPainter(), load_models(), clock, seed=3, api_key=accepts)
    await emulator.start()
    usual = {"api_key": Secret(KEY), "base_url": emulator.url, "daily_cap_usd": Decimal(10_000)}
    values: dict[str, Any] = {**usual, **gemini}
    settings = Settings(
        gemini=GeminiSettings(**values),
        cache=CacheSettings(dir=folder / "cache"),
        matting=MattingSettings(engine="builtin"),
    )
    homes = {f"XDG_{kind}_HOME": str(folder / kind) for kind in ("CACHE", "CONFIG", "STATE")}
    common: dict[str, Any] = {"clock": clock, "events": Recorder()}
    services = build_services(settings, homes, **common, **replaced(build_services(settings, homes, **common)))
    if settings.gemini.api_key is not None:
        await services.gemini.warm_up()
    try:
        yield services, emulator
    finally:
        await services.aclose()
        await emulator.aclose()


async def reached(emulator: GeminiEmulator) -> None:
    """Returns once a call has arrived."""
    while not emulator.total:  # noqa: ASYNC110 -- the emulator is looked at from outside, as by its admin API
        await asyncio.sleep(0.01)


def asking(seed: int = 0, **fields: object) -> GenerateRequest:
    values: dict[str, object] = {"photo": taken(picture(seed)), "style": "bw_fine_art", "size": 256}
    return GenerateRequest(**{**values, **fields})  # type: ignore[arg-type]  # by the caller


def check(made: Generated) -> None:
    """A whole picture with its labels."""
    codec.decode(made.master.data, ImageLimits(min_side=100))
    assert made.engine == ("local" if made.degraded else "gemini")
    assert (made.degradation_reason is not None) == made.degraded


async def drawn(services: Services, request: GenerateRequest) -> Generated | errors.PerkieError:
    try:
        return await services.generate(request)
    except errors.PerkieError as error:
        return error


async def mixed(services: Services, count: int, at_once: int) -> tuple[Counter[str], float]:
    """Outcomes of ``count`` requests, and by how many seconds the latest one missed its deadline of 2 s."""
    rng, outcomes, latest = random.Random(11), Counter[str](), -2.0
    numbers = iter(range(count))

    async def lane() -> None:
        nonlocal latest
        for number in numbers:
            fallback = rng.choice([ALL, NONE, frozenset({Fallback.LOCAL})])
            began = services.clock.monotonic()
            made = await drawn(services, asking(number, deadline=2.0, fallback=fallback))
            latest = max(latest, services.clock.monotonic() - began - 2.0)
            if isinstance(made, Generated):
                check(made)
                assert fallback or not made.degraded
                outcomes["degraded" if made.degraded else "drawn"] += 1
            else:
                assert isinstance(made, errors.Unavailable), made
                assert not fallback or isinstance(made, errors.DeadlineExceeded)
                outcomes[made.code] += 1

    await asyncio.gather(*(lane() for _ in range(at_once)))
    return outcomes, latest


async def mix(tmp_path: Path, count: int) -> None:
    """A deadline of 2 s; the breaker opens for half a second, so that all is met often."""
    rows = [{"kind": kind, "share": 0.04, "seconds": 1.0, "retry_after": 0.2} for kind in KINDS]
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        guard = services.gemini.guard
        guard.breaker = Breaker("gemini", services.clock, BreakerPolicy(open_for=0.5, max_open_for=1.0))
        emulator.plan = GeminiPlan.parse({"fault": rows})
        outcomes, latest = await mixed(services, count, at_once=12)
        assert sum(outcomes.values()) == count
        assert latest <= 1.0, f"an answer came {latest:.2f} s after its deadline"
        assert outcomes["drawn"] > count / 20
        assert outcomes["degraded"] > count / 20
        assert len(emulator.counts) > len(KINDS) / 2
        assert guard.limits.running == 0


async def test_a_random_mix_of_faults(tmp_path: Path) -> None:
    await mix(tmp_path, 120)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_thousand_requests_under_a_random_mix_of_faults(tmp_path: Path) -> None:
    await mix(tmp_path, 2000)


@pytest.mark.parametrize("seed", range(2))
async def test_a_hundred_identical_requests_make_one_call(tmp_path: Path, seed: int) -> None:
    """Whoever is cancelled, the leader too, hurts nobody else."""
    rng = random.Random(seed)
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"latency": {"median": 6.0, "p95": 6.0}})
        owners = [Owner.session(f"s{number}") for number in range(100)]
        tasks = [asyncio.create_task(services.generate(asking(owner=owner))) for owner in owners]
        doomed = {0, *rng.sample(range(100), 30)}
        await reached(emulator)
        for number in rng.sample(sorted(doomed), len(doomed)):
            tasks[number].cancel()
            if rng.random() < 0.3:
                await asyncio.sleep(0.005)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert emulator.total == 1
        for number, end in enumerate(ended):
            if number in doomed:
                assert isinstance(end, asyncio.CancelledError)
            else:
                assert isinstance(end, Generated)
                assert end.master.data == next(e for e in ended if isinstance(e, Generated)).master.data


async def test_cancelling_everybody_cancels_the_call(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "hang"}]})
        tasks = [asyncio.create_task(services.generate(asking())) for _ in range(5)]
        await reached(emulator)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert services.gemini.guard.limits.running == 0
        assert await services.ledger.spent(services.clock.now().date()) == Decimal("0.0357"), "it may be billed"


async def test_an_open_breaker_lets_one_probe_a_period_through(tmp_path: Path) -> None:
    """Minutes of total outage, a request every two seconds: after the opening only the probes reach Gemini."""
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "outage"}]})
        emulator.reset()
        for number in itertools.count():
            made = await drawn(services, asking(number % 5, fallback=NONE))
            assert isinstance(made, errors.UpstreamFault | errors.BreakerOpen)
            if emulator.total >= 5 + 3:
                break
            await services.clock.sleep(2)
        times = [call.at for call in emulator.calls]
        waits = [late - early for early, late in itertools.pairwise(times[4:])]
        assert all(wait > least - 1e-6 for wait, least in zip(waits, (60, 120, 240), strict=True)), "5 faults"
        status = services.gemini.guard.breaker.status()
        assert status.state is BreakerState.OPEN
        assert status.retry_after > 0


async def test_it_closes_again_once_gemini_is_back(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "outage"}]})
        while services.gemini.guard.breaker.status().state is BreakerState.CLOSED:
            check(await services.generate(asking(1, cache=CacheUse.OFF)))
        emulator.plan = GeminiPlan()
        await services.clock.sleep(61)
        for number in (2, 3):
            assert not (await services.generate(asking(number))).degraded
        assert services.gemini.guard.breaker.status().state is BreakerState.CLOSED


# ---------------------------------------------------------------- the ladder, step by step


@pytest.fixture
async def failing(tmp_path: Path) -> AsyncIterator[tuple[Services, GeminiEmulator]]:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "error", "status": 404}]})
        yield services, emulator


Failing = tuple[Services, GeminiEmulator]


async def test_the_local_engine_stands_in_and_gemini_is_tried_again(failing: Failing) -> None:
    services, emulator = failing
    first = await services.generate(asking())
    assert (first.engine, first.degraded, first.degradation_reason) == ("local", True, "model_gone")
    assert (first.usage.attempts, first.usage.cost_usd) == (1, Decimal(0))
    assert first.fingerprint == services.engines["local"].recipe(services.styles.get("bw_fine_art"), 256).fingerprint
    again = await services.generate(asking())
    assert (again.degraded, again.cache, emulator.total) == (True, CacheOutcome.HIT, 2)
    emulator.plan = GeminiPlan()
    back = await services.generate(asking())
    assert (back.engine, back.degraded, back.cache) == ("gemini", False, CacheOutcome.MISS)
    assert (await services.generate(asking())).cache is CacheOutcome.HIT


async def test_an_older_recipe_comes_before_the_local_engine(failing: Failing) -> None:
    services, emulator = failing
    faults, emulator.plan = emulator.plan, GeminiPlan()
    older = await services.generate(asking(model="gemini-3-pro-image"))
    emulator.plan = faults
    made = await services.generate(asking())
    assert (made.engine, made.model, made.degraded) == ("gemini", "gemini-3-pro-image", True)
    assert (made.cache, made.master.data) == (CacheOutcome.HIT, older.master.data)
    other = await services.generate(asking(owner=Owner.customer("7")))
    assert (other.cache, other.degraded) == (CacheOutcome.SHARED, True)
    assert other.key is not None
    assert other.key.startswith("generated/customers/7/")
    local = await services.generate(asking(fallback=frozenset({Fallback.LOCAL})))
    assert local.engine == "local"


@pytest.mark.parametrize("cut_out", [False, True])
async def test_only_a_picture_of_the_cut_out_stands_in_for_one(failing: Failing, cut_out: bool) -> None:
    services, emulator = failing
    faults, emulator.plan = emulator.plan, GeminiPlan()
    older = await services.generate(asking(model="gemini-3-pro-image", remove_background=cut_out))
    assert older.key is not None
    emulator.plan = faults
    other = await services.generate(asking(remove_background=not cut_out))
    assert (other.engine, other.degraded) == ("local", True)
    same = await services.generate(asking(remove_background=cut_out))
    assert (same.engine, same.degraded) == ("gemini", True)


async def test_a_kept_substitute_is_no_older_picture(failing: Failing) -> None:
    services, _ = failing
    await services.generate(asking())
    assert isinstance(await drawn(services, asking(fallback=frozenset({Fallback.CACHE}))), errors.Unavailable)


async def test_a_fresh_picture_needs_no_upstream(failing: Failing) -> None:
    services, emulator = failing
    faults, emulator.plan = emulator.plan, GeminiPlan()
    await services.generate(asking())
    emulator.plan = faults
    made = await services.generate(asking())
    assert (made.cache, made.degraded, emulator.total) == (CacheOutcome.HIT, False, 1)


@pytest.mark.parametrize("fallback", [NONE, frozenset({Fallback.CACHE})], ids=["none", "cache"])
async def test_the_end_of_the_ladder(failing: Failing, fallback: frozenset[Fallback]) -> None:
    services, _ = failing
    error = await drawn(services, asking(fallback=fallback))
    assert isinstance(error, errors.Unavailable)
    if fallback:
        assert "please try again" in error.message
        assert error.retry_after is not None


async def test_never_for_our_own_limits_or_bad_input(failing: Failing) -> None:
    services, emulator = failing
    budget = await drawn(services, asking(budget=Budget(Decimal("0.01"))))
    assert isinstance(budget, errors.BudgetExceeded)
    bad = await drawn(services, asking(photo=BROKEN))
    assert isinstance(bad, errors.BadInput)
    retired = await drawn(services, asking(model="gemini-2.5-flash-image"))
    assert isinstance(retired, errors.RetiredModel)
    assert emulator.total == 0


async def test_the_daily_cap_leads_down_the_ladder(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock(), daily_cap_usd=Decimal("0.04")) as (services, emulator):
        assert not (await services.generate(asking(1))).degraded
        made = await services.generate(asking(2))
        assert (made.degraded, made.degradation_reason) == (True, "daily_cap_reached")
        refused = await drawn(services, asking(3, fallback=NONE))
        assert isinstance(refused, errors.DailyCapReached)
        assert emulator.total == 1


@pytest.mark.parametrize("key", [None, Secret("another")], ids=["missing", "wrong"])
async def test_credentials_are_covered_for_customers_not_for_engineers(tmp_path: Path, key: Secret | None) -> None:
    async with serving(tmp_path, LoopClock(), accepts=KEY, api_key=key) as (services, _):
        assert (await services.generate(asking(engine="gemini"))).degraded
        told = await drawn(services, asking(engine="gemini", cover_setup=False))
        assert isinstance(told, errors.NotAuthorised)


async def test_a_configured_model_that_retires_costs_no_customer_a_picture(tmp_path: Path) -> None:
    shipped = (ROOT / "perkie_cli" / "data" / "models.toml").read_text("utf-8")
    day = START.date() + timedelta(days=1)
    mortal = tmp_path / "models.toml"
    mortal.write_text(shipped.replace(f'id = "{MODEL}"', f'id = "{MODEL}"\nretires = {day}'))
    async with serving(tmp_path, LoopClock(), models_file=mortal) as (services, emulator):
        made = await services.generate(asking(1))
        await services.clock.sleep(2 * 86_400)
        again = await services.generate(asking(1))
        assert (again.cache, again.master) == (CacheOutcome.HIT, made.master)
        other = await services.generate(asking(2))
        check(other)
        assert other.degradation_reason == "retired_model"
        for request in (asking(3, cover_setup=False), asking(3, model=MODEL)):
            assert isinstance(await drawn(services, request), errors.RetiredModel)
        assert emulator.total == 1


async def test_a_follower_keeps_a_substitute_under_its_own_recipe(failing: Failing) -> None:
    services, _ = failing
    owners: Sequence[Owner] = [Owner.customer("1"), Owner.customer("2")]
    both = await asyncio.gather(*(services.generate(asking(owner=owner)) for owner in owners))
    assert {made.fingerprint for made in both} == {both[0].fingerprint}
    assert all(made.degraded and both[0].fingerprint in (made.key or "") for made in both)


async def test_a_ledger_that_is_down_keeps_calls_back(failing: Failing, tmp_path: Path) -> None:
    services, emulator = failing
    emulator.plan = GeminiPlan()
    (services.state_dir / "spend.sqlite").mkdir(parents=True)  # a folder is no database
    made = await services.generate(asking())
    assert (made.degraded, made.degradation_reason, emulator.total) == (True, "store_broken", 0)


async def test_the_deadline_holds_for_those_who_join_late(tmp_path: Path) -> None:
    async with serving(tmp_path, LoopClock()) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "hang"}]})
        request = asking(fallback=NONE, deadline=60.0)
        leader = asyncio.create_task(drawn(services, request))
        await reached(emulator)
        follower = await drawn(services, replace(request, deadline=10.0))
        assert isinstance(follower, errors.DeadlineExceeded)
        assert not leader.done()
        assert isinstance(await leader, errors.UpstreamTimeout)
