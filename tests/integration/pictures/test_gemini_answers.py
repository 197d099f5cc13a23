"""Each kind of answer of ``tests.gemini_answers`` through the real SDK over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from perkie_cli.domain import errors
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.client import Access
from tests.gemini_answers import ROWS
from tests.gemini_answers.build import GOOD, Row, parts, quota, refusal
from tests.gemini_answers.server import Answering, answering
from tests.gemini_bench import KEY, Bench, bench

IMAGE = Decimal("0.0336")  # what a picture costs by the price list, without the photo and the prompt
pytestmark = [pytest.mark.jumping, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Bench, Answering]]:
    folder = tmp_path_factory.mktemp("answers")
    async with answering() as server, bench(folder, access=Access(Secret(KEY), server.url)) as made:
        yield made, server


@pytest_asyncio.fixture(loop_scope="module")
async def gemini(shared: tuple[Bench, Answering]) -> tuple[Bench, Answering]:
    await shared[0].fresh()
    shared[1].calls = 0
    shared[1].paths.clear()
    return shared


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_an_answer(gemini: tuple[Bench, Answering], row: Row) -> None:
    made, server = gemini
    server.rows = [row]
    job = made.job(seconds=50.0, size=row.size)
    if isinstance(row.expected, tuple):
        rendering = await made.engine.render(job)
        assert np.abs(rendering.raster.rgb[2, 2].astype(int) - row.expected).max() < 12, "another picture was taken"
        assert rendering.raster.long_side == row.size
        assert rendering.paid is not None
        assert row.says in " ".join(rendering.warnings)
        assert rendering.usage.cost_usd >= IMAGE * row.attempts
    else:
        with pytest.raises(errors.PerkieError) as raised:
            await made.engine.render(job)
        assert type(raised.value) is row.expected
        assert row.says in raised.value.message
        assert KEY not in f"{raised.value.message} {raised.value.hint}"
        assert "\n" not in raised.value.message
    assert server.calls == job.receipt.usage.attempts == row.attempts
    assert await made.spent() == job.receipt.usage.cost_usd
    assert made.engine.guard.limits.running == 0


MINUTE = Row(
    "minute", refusal(429, "limit: 10", "", quota("PerMinute", "2.465784708s")), FINAL := (0, 0, 0), status=429
)
UNTOLD = Row("untold", refusal(429, "Resource exhausted."), FINAL, status=429)
OK = Row("ok", parts(GOOD), FINAL)


@pytest.mark.parametrize("first", [MINUTE, UNTOLD], ids=["told", "untold"])
async def test_the_promised_retry_after_a_429_is_sure(gemini: tuple[Bench, Answering], first: Row) -> None:
    """Our own throttle, which has seen nothing but refusals, would turn every second one away."""
    made, server = gemini
    for _ in range(14):
        await made.fresh()
        server.calls, server.rows = 0, [first, OK]
        assert (await made.draw(seconds=50.0)).usage.attempts == 2


async def test_a_batch_waits_and_loses_no_picture(gemini: tuple[Bench, Answering]) -> None:
    """Ten a minute are accepted, and thirty are wanted, three at a time."""
    made, server = gemini
    begun = made.clock.monotonic()
    accepted: list[float] = []

    def choose() -> Row:
        now = made.clock.monotonic()
        recent = [then for then in accepted if then > now - 60]
        if len(recent) < 10:
            accepted.append(now)
            return OK
        details = quota("PerMinute", f"{60 - (now - recent[0]):.9f}s")
        return Row("", refusal(429, "full", "", details), FINAL, status=429)

    queue = iter(range(30))

    async def lane() -> int:
        return len([await made.engine.render(made.job(wait_for_quota=True)) for _ in queue])

    server.choose = choose
    try:
        drawn = await asyncio.gather(*(lane() for _ in range(3)))
    finally:
        server.choose = None
    assert sum(drawn) == len(accepted) == 30
    assert made.clock.monotonic() - begun < 200
    assert server.calls < 50, "who waits for a told time does not ask before it"


@pytest.mark.parametrize("name", ["a leaked key", "a spent day", "a quota of nothing", "credit that is gone"])
async def test_what_is_hopeless_is_asked_once(gemini: tuple[Bench, Answering], name: str) -> None:
    made, server = gemini
    server.rows = [next(row for row in ROWS if row.name == name), OK]
    told = []
    for _ in range(20):
        with pytest.raises(errors.PerkieError) as raised:
            await made.draw()
        told.append(raised.value)
    assert server.calls == 1
    assert {(type(error), error.message) for error in told} == {(type(told[0]), told[0].message)}
    assert all(error.ends_run for error in told)
    await made.clock.sleep(601)
    assert (await made.draw()).usage.attempts == 1, "it is looked at again after ten minutes"


@pytest.mark.parametrize(("chosen", "version"), [(None, "v1beta"), ("v1", "v1")])
async def test_which_version_of_the_api_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, version: str
) -> None:
    if chosen is not None:
        monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", chosen)
    async with answering() as server:
        server.rows = [OK]
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as made:
            await made.draw()
        assert server.paths == [f"/{version}/models/gemini-nano-banana-2.1:generateContent"]


async def test_a_key_of_vertex_needs_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Express mode, also where the environment names a project of something else."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    async with answering() as server:
        server.rows = [OK]
        access = Access(Secret(KEY), server.url, vertex=True)
        async with bench(tmp_path, access=access) as made:
            await made.draw()
        assert server.paths == ["/v1beta1/publishers/google/models/gemini-nano-banana-2.1:generateContent"]
        assert f"x-goog-api-key: {KEY}" in server.heads[0]


async def test_a_refused_vertex_key_is_not_told_to_set_another_variable(tmp_path: Path) -> None:
    async with answering() as server:
        server.rows = [Row("", refusal(401, "no", "", [{"reason": "CREDENTIALS_MISSING"}]), FINAL, status=401)]
        async with bench(tmp_path, access=Access(Secret(KEY), server.url, vertex=True)) as made:
            with pytest.raises(errors.WrongCredentials) as raised:
                await made.draw()
    assert "GEMINI_API_KEY" not in (raised.value.hint or "")
    assert "express mode" in (raised.value.hint or "")


@pytest.mark.parametrize("key", ["AI\nza", "schlüssel", "“AIza”", "a\0b"])
async def test_a_key_that_is_none_is_a_wrong_setting_and_costs_nothing(tmp_path: Path, key: str) -> None:
    async with answering() as server, bench(tmp_path, access=Access(Secret(key), server.url), warm=False) as made:
        with pytest.raises(errors.InvalidSetting, match="GEMINI_API_KEY") as raised:
            await made.draw()
        assert key not in raised.value.message
        assert server.calls == 0
        assert await made.spent() == 0


async def test_a_line_break_behind_the_key_is_no_part_of_it(tmp_path: Path) -> None:
    async with answering() as server:
        server.rows = [OK]
        async with bench(tmp_path, access=Access(Secret(f"{KEY}\n"), server.url)) as made:
            await made.draw()
        assert f"x-goog-api-key: {KEY}\r\n" in server.heads[0]
