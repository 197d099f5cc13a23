"""Every row of the retry table and every fault of the emulator, through the real SDK over a socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from google.oauth2.credentials import Credentials

from perkie_cli.domain import errors
from perkie_cli.domain.events import UpstreamCalled
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.client import Access
from tests.gemini_bench import KEY, STYLE, Bench, bench, photo

PRICE = Decimal("0.0357")
DRAWN = Decimal("0.035286")  # 1,124 tokens in, 1,120 out


pytestmark = [
    pytest.mark.jumping,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with bench(tmp_path_factory.mktemp("gemini")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def gemini(shared: Bench) -> Bench:
    await shared.fresh()
    return shared


FAULTS = [
    # fault, error, attempts, dollars booked
    ({"kind": "outage"}, errors.UpstreamFault, 3, 0),
    ({"kind": "error", "status": 502}, errors.UpstreamFault, 3, 0),
    ({"kind": "error", "status": 504}, errors.UpstreamTimeout, 3, 0),
    ({"kind": "error", "status": 500}, errors.UpstreamBroken, 2, 0),
    ({"kind": "error", "status": 400}, errors.UpstreamRefused, 1, 0),
    ({"kind": "error", "status": 401}, errors.WrongCredentials, 1, 0),
    ({"kind": "error", "status": 403}, errors.WrongCredentials, 1, 0),
    ({"kind": "error", "status": 404}, errors.ModelGone, 1, 0),
    ({"kind": "overloaded"}, errors.UpstreamOverloaded, 2, 0),
    ({"kind": "overloaded", "retry_after": 5}, errors.UpstreamOverloaded, 2, 0),
    ({"kind": "overloaded", "retry_after": 40}, errors.UpstreamOverloaded, 1, 0),
    ({"kind": "hang"}, errors.UpstreamTimeout, 1, PRICE),
    ({"kind": "drip", "seconds": 120}, errors.UpstreamTimeout, 1, PRICE),
    ({"kind": "slow", "seconds": 120}, errors.UpstreamTimeout, 1, PRICE),
    ({"kind": "reset"}, errors.UpstreamFault, 3, 3 * PRICE),
    ({"kind": "truncated"}, errors.UpstreamFault, 3, 3 * PRICE),
    ({"kind": "wrong_json", "how": "html"}, errors.UpstreamFault, 3, 3 * PRICE),
    ({"kind": "wrong_json", "how": "shape"}, errors.UpstreamFault, 3, 3 * PRICE),
    ({"kind": "wrong_json", "how": "half"}, errors.UpstreamFault, 3, 3 * PRICE),
    ({"kind": "corrupt", "how": "cut"}, errors.BadAnswer, 2, 2 * DRAWN),
    ({"kind": "corrupt", "how": "noise"}, errors.BadAnswer, 2, 2 * DRAWN),
    ({"kind": "corrupt", "how": "small"}, errors.BadAnswer, 2, 2 * DRAWN),
    ({"kind": "empty", "how": "object"}, errors.BadAnswer, 2, 0),
    ({"kind": "empty", "how": "content"}, errors.BadAnswer, 2, None),
    ({"kind": "empty", "how": "text"}, errors.BadAnswer, 2, None),
    ({"kind": "empty", "how": "zero"}, errors.BadAnswer, 2, None),
]
SAFETY = ["SAFETY", "IMAGE_SAFETY"]
BLOCKS = [
    *("BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "RECITATION", "IMAGE_RECITATION"),
    *("SPII", "LANGUAGE", "MODEL_ARMOR", "ESCALATION"),
]
NO_PICTURE = ["NO_IMAGE", "OTHER", "IMAGE_OTHER", "MAX_TOKENS", "MALFORMED_RESPONSE", "A_REASON_OF_TOMORROW"]
FAULTS += [({"kind": "blocked", "how": "answer", "reason": r}, errors.SafetyBlock, 2, None) for r in SAFETY]
FAULTS += [({"kind": "blocked", "how": "answer", "reason": r}, errors.Blocked, 1, None) for r in BLOCKS]
FAULTS += [({"kind": "blocked", "how": "answer", "reason": r}, errors.BadAnswer, 2, None) for r in NO_PICTURE]
FAULTS += [({"kind": "blocked", "how": "prompt", "reason": r}, errors.SafetyBlock, 2, None) for r in SAFETY]
FAULTS += [
    ({"kind": "blocked", "how": "prompt", "reason": r}, errors.Blocked, 1, None)
    for r in ("OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "JAILBREAK", "A_REASON_OF_TOMORROW")
]
FAULTS += [({"kind": "blocked", "how": "answer", "reason": "PUP_LIMITED_DISABLED"}, errors.WrongCredentials, 1, None)]


def named(value: object) -> str:
    if isinstance(value, dict):
        return "-".join(str(v) for v in value.values())
    return value.__name__ if isinstance(value, type) else ""


@pytest.mark.parametrize(("fault", "error", "attempts", "dollars"), FAULTS, ids=named)
async def test_fault(
    gemini: Bench, fault: dict[str, object], error: type[errors.PerkieError], attempts: int, dollars: Decimal | None
) -> None:
    gemini.plan(fault)
    started = gemini.clock.monotonic()
    job = gemini.job(seconds=50.0)
    with pytest.raises(errors.PerkieError) as raised:
        await gemini.engine.render(job)
    assert type(raised.value) is error
    assert gemini.emulator.total == attempts, "nobody but the guard retries"
    assert job.receipt.usage.attempts == attempts
    assert gemini.clock.monotonic() - started <= 50, "the limit of an attempt is 40 s, however slowly it drips"
    assert gemini.engine.guard.limits.running == 0
    if dollars is not None:
        assert job.receipt.usage.cost_usd == dollars
    assert await gemini.spent() == job.receipt.usage.cost_usd
    if issubclass(error, errors.SafetyBlock):
        assert [call.prompt for call in gemini.emulator.calls] == ["Draw it in ink.", "Draw it kindly in ink."]


@pytest.mark.parametrize("fault", [row[0] for row in FAULTS if row[2] > 1], ids=named)
async def test_one_fault_then_a_picture(gemini: Bench, fault: dict[str, object]) -> None:
    gemini.plan({**fault, "calls": [1]})
    rendering = await gemini.draw()
    assert rendering.raster.long_side == 256
    assert rendering.usage.attempts == gemini.emulator.total == 2
    assert await gemini.spent() == rendering.usage.cost_usd
    outcomes = [event.outcome for event in gemini.events.events if isinstance(event, UpstreamCalled)]
    assert outcomes[-1] == "ok"


async def test_a_good_picture_and_its_bill(gemini: Bench) -> None:
    rendering = await gemini.draw()
    assert (rendering.engine, rendering.model) == ("gemini", "gemini-nano-banana-2.1")
    assert (rendering.usage.input_tokens, rendering.usage.output_tokens) == (1124, 1120)
    assert rendering.usage.cost_usd == DRAWN == await gemini.spent()


async def test_slow_but_in_time(gemini: Bench) -> None:
    gemini.plan({"kind": "slow", "seconds": 20})
    assert (await gemini.draw()).usage.attempts == 1
    gemini.plan({"kind": "drip", "seconds": 15})
    assert (await gemini.draw()).usage.attempts == 1


@pytest.mark.parametrize(
    ("size", "model", "image_size"),
    [
        (1024, "gemini-nano-banana-2.1", "1K"),
        (2000, "gemini-nano-banana-2.1", "2K"),
        (4096, "gemini-3-pro-image", "4K"),
        (2000, "gemini-3.1-flash-lite-image", "1K"),
    ],
)
async def test_image_size_follows_the_size(gemini: Bench, size: int, model: str, image_size: str) -> None:
    rendering = await gemini.engine.render(gemini.job(size=size, model=model))
    (call,) = gemini.emulator.calls
    assert (call.model, call.image_size) == (model, image_size)
    assert rendering.raster.long_side == size
    assert bool(rendering.warnings) == (size == 2000 and "lite" in model)


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [(300, 300, 1.0), (451, 300, 1.5), (300, 451, 2 / 3), (400, 300, 4 / 3), (2000, 800, 21 / 9), (320, 600, 9 / 16)],
)
async def test_the_nearest_aspect_ratio_is_asked_for(gemini: Bench, width: int, height: int, ratio: float) -> None:
    await gemini.engine.render(gemini.job(raster=photo(width, height)))
    assert gemini.emulator.calls[-1].ratio == pytest.approx(ratio)


async def test_a_large_photo_is_shrunk_before_it_is_sent(gemini: Bench) -> None:
    await gemini.engine.render(gemini.job(raster=photo(4000, 2600)))
    await gemini.engine.render(gemini.job(raster=photo(1536, 998)))
    large, fits = (call.photo_bytes for call in gemini.emulator.calls)
    assert large < 2 * fits, "nothing beyond what the model uses is sent"


async def test_budget_and_cap_act_before_anything_is_sent(tmp_path: Path) -> None:
    async with bench(tmp_path, cap=PRICE) as gemini:
        with pytest.raises(errors.BudgetExceeded):
            await gemini.engine.render(gemini.job(budget=Budget(Decimal("0.0356"))))
        await gemini.engine.render(gemini.job(budget=Budget(PRICE)))
        with pytest.raises(errors.DailyCapReached) as refused:
            await gemini.draw()
        assert refused.value.retry_after is not None
        assert gemini.emulator.total == 1


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "no-such-model"])
async def test_models_that_are_not_there_are_refused_before_any_request(gemini: Bench, model: str) -> None:
    with pytest.raises(errors.BadInput):
        gemini.engine.recipe(gemini.job().style, 1024, model)
    with pytest.raises(errors.BadInput):
        await gemini.engine.render(gemini.job(model=model))
    assert gemini.emulator.total == 0


async def test_whatever_changes_the_picture_changes_its_recipe(gemini: Bench) -> None:
    edited = [
        replace(STYLE, prompt="other"),
        replace(STYLE, safe_prompt="other"),
        replace(STYLE, prompt_version="other"),
    ]
    recipes = [gemini.gemini.recipe(style, 256) for style in (STYLE, *edited)] + [gemini.gemini.recipe(STYLE, 512)]
    assert len({recipe.fingerprint for recipe in recipes}) == 5


async def test_a_wrong_key_is_no_bad_input(tmp_path: Path) -> None:
    async with bench(tmp_path, api_key="another") as gemini:
        with pytest.raises(errors.WrongCredentials) as refused:
            await gemini.draw()
        assert "GEMINI_API_KEY" in (refused.value.hint or "")


async def test_no_key_is_told_before_anything_is_booked(tmp_path: Path) -> None:
    async with bench(tmp_path, access=Access()) as gemini:
        with pytest.raises(errors.MissingCredentials):
            await gemini.draw()
        assert await gemini.spent() == 0


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("where", ["http://127.0.0.1:{closed}", "http://perkie.invalid", "https://127.0.0.1:{open}"])
async def test_no_connection_costs_nothing(tmp_path: Path, where: str) -> None:
    """Refused, unknown to DNS, no TLS."""
    async with bench(tmp_path / "other") as other:
        url = where.format(closed=closed_port(), open=other.emulator.server.port)
        async with bench(tmp_path, access=Access(Secret(KEY), url)) as gemini:
            job = gemini.job()
            with pytest.raises(errors.UpstreamFault):
                await gemini.engine.render(job)
            assert job.receipt.usage.attempts == 3
            assert await gemini.spent() == 0


async def test_vertex_ai(tmp_path: Path) -> None:
    async with bench(tmp_path / "api") as api:
        token = Credentials(token="canary-token")  # type: ignore[no-untyped-call]
        access = Access(None, api.emulator.url, "a-project", "us-central1", token)
        async with bench(tmp_path, access=access) as gemini:
            assert (await gemini.draw()).usage.attempts == 1
            api.plan({"kind": "outage", "calls": [1]})
            assert (await gemini.draw()).usage.attempts == 2


async def test_the_living_models(gemini: Bench) -> None:
    assert await gemini.gemini.live_models() == {
        "gemini-nano-banana-2.1",
        "gemini-3-pro-image",
        "gemini-3.1-flash-lite-image",
    }
