"""Warming by way of the Batch API: ordered by one run, collected by another, at half the price and once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import types

from perkie_cli.batch.orders import placing
from perkie_cli.batch.warm import StoredSource, warm_job
from perkie_cli.cli.storage.warm import warm_request
from perkie_cli.config.load import load
from perkie_cli.domain.errors import StoreUnavailable, UsageError
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.pictures.orders import Then
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.domain.runs import Outcome
from perkie_cli.domain.storage.selection import WarmBy
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.engines.gemini import batches
from perkie_cli.ops.doctor.checks.gemini import orders
from perkie_cli.ops.doctor.said import Level, Said
from perkie_cli.ops.doctor.subject import Subject
from perkie_cli.ports import BlobStore
from tests.integration.orders.shop import HALF, STYLE, FrozenAt, Shop

FREE = Decimal(0)
DAY = timedelta(hours=24)


async def test_one_run_orders_and_the_next_one_collects_at_half_the_price(shop: Shop) -> None:
    assert await shop.warm() == {"ordered": 3}
    (order,) = await shop.orders()
    assert (len(order.pictures), order.usd) == (3, 3 * HALF)
    booked = await shop.spend()
    assert (booked.usd, booked.possible_usd, booked.pictures) == (3 * HALF, 3 * HALF, 0)
    assert await shop.kept() == []
    await shop.done()
    shop.clock.hop(DAY)
    assert await shop.warm() == {"done": 3}
    assert await shop.orders() == []
    assert len(await shop.kept()) == 3
    paid = await shop.spend()
    assert (paid.calls, paid.pictures, paid.possible_usd) == (3, 3, FREE)
    assert 3 * HALF * Decimal("0.9") < paid.usd < 3 * HALF * Decimal("1.1")
    assert await shop.warm() == {"skipped": 3}
    assert shop.emulator.total == 3
    assert shop.emulator.batches.jobs == {}, "the job was deleted"
    assert await files(shop) == [], "customers' photos were deleted"


async def files(shop: Shop) -> list[str]:
    options = types.HttpOptions(
        base_url=shop.emulator.url, api_version="v1beta", httpx_async_client=httpx2.AsyncClient()
    )
    client = genai.Client(api_key="any", http_options=options)
    return [str(each.name) async for each in await client.aio.files.list()]


async def test_an_online_request_finds_what_was_ordered_and_the_other_way_round(shop: Shop) -> None:
    async with shop.process() as services:
        (first, *_) = await services.warming.uploads(DAY, 100, WarmBy.NEWEST)
        photo = await services.warming.photo(first)
        job = warm_job(StoredSource(first, services.warming), STYLE)
        drawn = await services.generate(warm_request(photo, job, Budget(Decimal(1))))
    assert await shop.warm() == {"skipped": 1, "ordered": 2}
    await shop.done()
    assert await shop.warm() == {"done": 2, "skipped": 1}
    async with shop.process() as services:
        for upload in await services.warming.uploads(DAY, 100, WarmBy.NEWEST):
            photo = await services.warming.photo(upload)
            found = await services.generate(warm_request(photo, job, Budget(Decimal(1))))
            assert found.cache is CacheOutcome.HIT
            assert (found.fingerprint, found.model, found.engine) == (drawn.fingerprint, drawn.model, "gemini")
        spent = await services.ledger.report_by_customer(shop.first, shop.clock.now().date())
    assert shop.emulator.total == 3
    assert {each.customer for each in spent} == {""}, "nobody asked for them"


async def test_a_run_that_waits_collects_its_own_order(shop: Shop) -> None:
    shop.plan({"kind": "batch_unknown", "first": 3})
    began = shop.clock.ahead
    assert await shop.warm(wait=True) == {"done": 3}
    assert shop.clock.ahead > began
    assert await shop.orders() == []


async def test_a_dry_run_neither_orders_nor_collects(shop: Shop) -> None:
    assert await shop.warm(dry_run=True) == {"planned": 3}
    assert (await shop.orders(), shop.emulator.batches.total) == ([], 0)
    await shop.warm()
    await shop.done()
    assert await shop.warm(dry_run=True) == {"ordered": 3}
    assert len(await shop.orders()) == 1


async def test_the_doctor_tells_of_orders_that_are_older_than_a_day(shop: Shop) -> None:
    async def said() -> Said:
        async with shop.process() as services:
            (only,) = await orders(Subject(load(), services))
            return only

    assert (await said()).message == "nothing is on order"
    shop.plan({"kind": "batch_stuck"})
    await shop.warm()
    waiting = await said()
    assert (waiting.level, waiting.message[:20]) == (Level.OK, "3 pictures on order,")
    shop.clock.hop(timedelta(hours=25))
    late = await said()
    assert (late.level, late.fix) == (Level.WARNING, "perkie cache warm --via batch-api")
    shop.clock.hop(timedelta(hours=2))
    assert await shop.warm() == {"done": 3}, "what the fix does"
    assert (await said()).level is Level.OK


class TestMoney:
    async def test_a_budget_bounds_what_one_run_orders(self, shop: Shop) -> None:
        assert await shop.warm(budget=str(HALF * 2)) == {"ordered": 2, "failed": 1}
        assert await shop.codes() == ["budget_exceeded"]
        assert (await shop.spend()).usd == 2 * HALF

    async def test_the_day_s_cap_bounds_all_runs_of_a_day(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERKIE_GEMINI_DAILY_CAP_USD", str(HALF * 2))
        assert await shop.warm() == {"ordered": 2, "failed": 1}
        assert await shop.codes() == ["daily_cap_reached"]
        await shop.done()
        assert await shop.warm(styles=[STYLE, "bw_fine_art"]) == {"done": 2, "failed": 4}
        assert (await shop.spend()).usd <= 2 * HALF
        shop.clock.hop(DAY)
        assert await shop.warm() == {"skipped": 2, "ordered": 1}

    async def test_jobs_are_cut_by_the_bytes_of_their_answers(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(placing, "MOST_ANSWERS", 4_000_000)  # 3 MB a picture
        assert await shop.warm() == {"ordered": 3}
        assert sorted(len(order.pictures) for order in await shop.orders()) == [1, 2]
        await shop.done()
        assert await shop.warm() == {"done": 3}


# A process that is killed there; what the next run finds at once, and after the time in which a job must be listed.
KILLED = [
    ("before upload", 1, {"ordered": 3}, 3),
    ("after upload", 1, {"ordered": 3}, 3),
    ("before create", 1, {"ordered": 3}, 3),
    ("after create", 1, {"done": 3}, 3),
    ("before job", 1, {"done": 3}, 3),
    ("after download", 1, {"done": 3}, 3),
    ("before answered", 2, {"done": 2, "cached": 1}, 3),
    ("after answered", 3, {"done": 1, "cached": 2}, 3),
    ("before delete", 1, {"skipped": 3}, 3),
]


@pytest.mark.parametrize(("place", "number", "found", "calls"), KILLED, ids=[f"{each[0]} {each[1]}" for each in KILLED])
async def test_a_killed_run_is_gone_on_with_and_paid_once(
    shop: Shop, place: str, number: int, found: dict[str, int], calls: int
) -> None:
    async with shop.process() as real:
        api = FrozenAt(real.batch_api, place, number)
        async with shop.process(batch_api=api) as killed:
            await kill(shop.warmed(killed, wait=True), api)
            await shop.done()
            assert await shop.warm() == found
    shop.clock.hop(timedelta(minutes=11))
    await shop.warm(wait=True)
    assert await shop.warm() == {"skipped": 3}
    assert (shop.emulator.total, len(await shop.kept()), await shop.orders()) == (calls, 3, [])
    spend = await shop.spend()
    assert (spend.pictures, spend.possible_usd) == (3, FREE)


async def kill(run: Awaitable[Any], api: FrozenAt) -> None:
    """Runs it to its place, and forgets it."""
    task = asyncio.ensure_future(run)
    await asyncio.wait_for(api.reached.wait(), 60)
    FORGOTTEN.append(task)


FORGOTTEN: list[asyncio.Future[Any]] = []  # a task that nobody holds would be collected, and so end


class TestJobs:
    async def test_a_lost_answer_to_create_is_found_by_name(self, shop: Shop) -> None:
        shop.plan({"kind": "batch_lost"})
        assert await shop.warm() == {"ordered": 3}
        assert "it is left to a later run" in shop.warnings[-1]
        shop.plan()
        await shop.done()
        assert await shop.warm() == {"done": 3}
        assert (shop.emulator.total, shop.emulator.batches.total) == (3, 1)

    async def test_a_refused_job_costs_nothing_and_the_next_run_orders_again(self, shop: Shop) -> None:
        shop.plan({"kind": "batch_refused", "status": 429})
        assert await shop.warm() == {"failed": 3}
        assert await shop.codes() == ["upstream_overloaded"] * 3
        spend = await shop.spend()
        assert (spend.usd, spend.possible_usd) == (FREE, FREE)
        assert await shop.orders() == []
        shop.plan()
        assert await shop.warm() == {"ordered": 3}

    async def test_a_stuck_job_is_given_up_and_only_the_rest_is_drawn_online(self, shop: Shop) -> None:
        shop.plan({"kind": "batch_stuck", "how": "half"})
        assert await shop.warm() == {"ordered": 3}
        await shop.done()
        shop.clock.hop(timedelta(hours=25))
        assert await shop.warm() == {"ordered": 3}
        shop.clock.hop(timedelta(hours=2))
        assert await shop.warm() == {"done": 3}
        assert shop.emulator.total == 3 + 2, "one of three was done when the job was cancelled"
        assert await shop.orders() == []
        spend = await shop.spend()
        assert (spend.pictures, spend.possible_usd) == (3, 2 * HALF)

    async def test_what_is_left_is_no_more_than_said_and_may_be_ordered_again(self, shop: Shop) -> None:
        shop.plan({"kind": "batch_expired"})
        assert await shop.warm() == {"ordered": 3}
        await shop.done()
        shop.plan()
        assert await shop.warm(then=Then.LEAVE) == {"failed": 3}
        assert await shop.codes() == ["upstream_fault"] * 3
        assert "(expired)" in shop.reporter.errors[0].message
        assert shop.emulator.total == 0
        assert await shop.warm() == {"ordered": 3}

    @pytest.mark.parametrize("kind", ["batch_expired", "batch_failed"])
    async def test_an_ended_job_without_answers_is_drawn_online(self, shop: Shop, kind: str) -> None:
        shop.plan({"kind": kind})
        await shop.warm()
        await shop.done()
        assert await shop.warm() == {"done": 3}
        assert (await shop.orders(), len(await shop.kept())) == ([], 3)

    @pytest.mark.parametrize("how", ["succeeded", "state"])
    async def test_a_partial_job_brings_what_it_has(self, shop: Shop, how: str) -> None:
        shop.plan({"kind": "batch_partial", "how": how})
        await shop.warm()
        await shop.done()
        assert await shop.warm(then=Then.LEAVE) == {"done": 1, "failed": 2}
        assert len(await shop.kept()) == 1

    async def test_an_unknown_state_is_waited_for(self, shop: Shop) -> None:
        shop.plan({"kind": "batch_unknown"})
        assert await shop.warm() == {"ordered": 3}
        assert await shop.warm() == {"ordered": 3}
        assert [order.state for order in await shop.orders()] == ["awaiting_review"]
        shop.plan()
        await shop.done()
        assert await shop.warm() == {"done": 3}

    @pytest.mark.parametrize("how", ["get", "download"])
    async def test_answers_that_cannot_be_fetched_are_asked_for_again_and_then_given_up(
        self, shop: Shop, how: str
    ) -> None:
        await shop.warm()
        await shop.done()
        shop.plan({"kind": "batch_unfetched", "how": how})
        assert await shop.warm() == {"ordered": 3}
        assert "503" in shop.warnings[-1]
        shop.clock.hop(timedelta(hours=27))
        assert await shop.warm() == {"done": 3}
        assert (shop.emulator.total, await shop.orders()) == (6, [])
        assert (await shop.spend()).possible_usd == 3 * HALF

    @pytest.mark.parametrize("how", ["get", "download"])
    async def test_a_passing_fault_costs_no_day(self, shop: Shop, how: str) -> None:
        await shop.warm()
        await shop.done()
        shop.plan({"kind": "batch_unfetched", "how": how, "first": 2})
        assert await shop.warm() == {"done": 3}
        assert shop.emulator.counts["none"] == 3

    async def test_an_upstream_that_never_answers_ends_no_run_in_waiting(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await shop.warm()
        monkeypatch.setattr(batches, "ANSWER_WITHIN", 0.2)
        async with (
            asyncio.timeout(60),
            await asyncio.start_server(lambda *_: asyncio.sleep(99), "127.0.0.1", 0) as mute,
        ):
            port = mute.sockets[0].getsockname()[1]
            monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{port}")
            assert await shop.warm() == {"ordered": 3}
        assert "did not answer within" in shop.warnings[-1]

    async def test_ctrl_c_keeps_what_is_collected_and_the_next_run_goes_on(self, shop: Shop) -> None:
        await shop.warm()
        await shop.done()
        async with shop.process() as real:
            api = FrozenAt(real.batch_api, "before answered", 2)
            async with shop.process(batch_api=api) as stopped:
                task = asyncio.ensure_future(shop.warmed(stopped))
                await asyncio.wait_for(api.reached.wait(), 60)
                task.cancel()
                ended = await task
        assert (ended.outcome, ended.tally.counted(), ended.left) == (Outcome.INTERRUPTED, {"done": 1}, 2)
        assert await shop.warm() == {"done": 2, "cached": 1}
        assert (await shop.spend()).pictures == 3

    async def test_a_job_that_nobody_knows_any_more_is_drawn_online(self, shop: Shop) -> None:
        await shop.warm()
        await shop.done()
        shop.emulator.batches.jobs.clear()
        assert await shop.warm() == {"ordered": 3}, "perhaps it is another key's"
        assert "not for this key" in shop.warnings[-1]
        shop.clock.hop(timedelta(hours=27))
        assert await shop.warm() == {"done": 3}
        assert shop.emulator.total == 6

    async def test_a_model_without_batches_is_refused_before_anything_is_spent(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PERKIE_GEMINI_MODEL", "gemini-2.5-flash-image")  # shut down
        assert await shop.warm() == {"failed": 3}
        assert await shop.codes() == ["retired_model"] * 3
        assert shop.emulator.batches.total == 0

    async def test_a_model_that_takes_no_batches_is_named(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        async def answer(request: Request, wire: Wire) -> Response:
            return Response.of({"name": "models/any", "supportedGenerationMethods": ["generateContent"]})

        server = HttpServer(answer)
        await server.start()
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        assert await shop.warm() == {"failed": 3}
        await server.aclose()
        assert {error.message for error in shop.reporter.errors} == {
            "gemini-nano-banana-2.1 is not offered by the Batch API"
        }
        assert (await shop.spend()).usd == FREE

    async def test_nothing_is_ordered_where_this_machine_draws(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PERKIE_STYLE_ENGINE", "local")
        with pytest.raises(UsageError, match="pictures by gemini"):
            await shop.warm()


class TestAnswers:
    async def test_blocks_are_failures_of_their_picture_and_cost_their_tokens(self, shop: Shop) -> None:
        shop.plan({"kind": "blocked", "calls": [2], "how": "answer"})
        await shop.warm()
        await shop.done()
        assert await shop.warm() == {"done": 2, "failed": 1}
        assert await shop.codes() == ["safety_block"]
        spend = await shop.spend()
        assert (spend.calls, spend.pictures, spend.possible_usd) == (3, 2, FREE)

    @pytest.mark.parametrize(
        ("kind", "how"), [("corrupt", "cut"), ("corrupt", "noise"), ("corrupt", "small"), ("empty", "text")]
    )
    async def test_the_checks_are_those_of_online_pictures(self, shop: Shop, kind: str, how: str) -> None:
        shop.plan({"kind": kind, "how": how, "calls": [1]})
        await shop.warm()
        await shop.done()
        assert await shop.warm(then=Then.LEAVE) == {"done": 2, "failed": 1}
        assert await shop.codes() == ["bad_answer"]
        assert len(await shop.kept()) == 2

    async def test_the_photo_itself_is_no_picture(self, shop: Shop) -> None:
        shop.painter.copies = True
        await shop.warm()
        await shop.done()
        assert await shop.warm(then=Then.LEAVE) == {"failed": 3}
        assert "the photo back unchanged" in shop.reporter.errors[0].message

    async def test_an_error_of_one_request_is_not_billed(self, shop: Shop) -> None:
        shop.plan({"kind": "error", "status": 400, "calls": [3]})
        await shop.warm()
        await shop.done()
        assert await shop.warm() == {"done": 2, "failed": 1}
        assert await shop.codes() == ["upstream_refused"]
        assert (await shop.spend()).possible_usd == 0

    async def test_a_picture_that_cannot_be_kept_stays_on_order(self, shop: Shop) -> None:
        await shop.warm()
        await shop.done()
        async with shop.process() as real, shop.process(blobs=Full(real.blobs)) as full:
            ended = await shop.warmed(full)
        assert ended.tally.counted() == {"ordered": 3}
        assert "no room" in shop.warnings[-1]
        shop.clock.hop(timedelta(hours=27))
        async with shop.process() as real, shop.process(blobs=Full(real.blobs)) as full:
            assert (await shop.warmed(full)).tally.counted() == {"ordered": 3}, "what is paid for is not given up"
        assert await shop.warm() == {"done": 3}
        assert shop.emulator.total == 3

    async def test_a_run_that_waits_goes_on_with_an_order_that_failed_in_the_middle(self, shop: Shop) -> None:
        async with shop.process() as real, shop.process(blobs=Full(real.blobs, after=2)) as full:
            ended = await shop.warmed(full, wait=True)
        assert ended.tally.counted() == {"done": 3}
        assert [result.usd > 0 for result in ended.results] == [True] * 3
        assert (shop.emulator.total, await shop.orders()) == (3, [])

    async def test_a_bad_picture_is_drawn_again_online_and_both_are_paid(self, shop: Shop) -> None:
        shop.plan({"kind": "corrupt", "how": "cut", "calls": [1]})
        await shop.warm()
        await shop.done()
        async with shop.process() as services:
            ended = await shop.warmed(services)
        assert ended.tally.counted() == {"done": 3}
        assert ended.tally.usd == (await shop.spend()).usd
        assert shop.emulator.total == 4

    async def test_an_erased_upload_is_not_drawn_back_into_the_store(self, shop: Shop) -> None:
        await shop.warm()
        await shop.done()
        async with shop.process() as services:
            (first, *_) = await services.warming.uploads(DAY, 1, WarmBy.NEWEST)
            await services.blobs.delete(first.key)
        assert await shop.warm() == {"done": 2, "failed": 1}
        assert await shop.codes() == ["not_found"]
        assert not any(first.hash in key for key in await shop.kept())


class Full:
    """A store of pictures without room; or where one write fails, ``after`` so many."""

    def __init__(self, blobs: BlobStore, after: int | None = None) -> None:
        self._blobs = blobs
        self._after = after
        self._writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    async def put(self, *given: Any, **more: Any) -> object:
        self._writes += 1
        if self._after in (None, self._writes - 1):
            raise StoreUnavailable("there is no room")
        return await self._blobs.put(*given, **more)
