"""What is paid for is not lost, and what is waited for comes, if late: faults of our own, and short deadlines."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.load import load
from perkie_cli.config.schema import CacheSettings, Settings
from perkie_cli.domain import errors
from perkie_cli.domain.events import SettingShadowed, StoreFailed
from perkie_cli.domain.money.spend import Purchase, Receipt, Spend, Usage
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.picture import EncodedPicture, ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.engines.meter import Meter
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import Clock, Rendering, RenderJob
from perkie_cli.services.pictures.found import AS_IT_CAME, master_of
from tests.engines import Negative
from tests.events import Recorder
from tests.gemini_answers.build import GOOD, Row, drawn, part, parts
from tests.gemini_answers.server import answering
from tests.gemini_bench import STYLE, bench
from tests.integration.pictures.test_gemini_outage import asking, serving
from tests.jumping_loop import LoopClock
from tests.pictures import file_of, photo, taken

pytestmark = pytest.mark.jumping

BROKEN = Raster(np.zeros((300, 400, 5), np.uint8))  # no encoder takes five channels
SENT = EncodedPicture(drawn(), ImageFormat.PNG, 480, 320)


def test_the_upstreams_own_file_is_kept_where_ours_cannot_be_made() -> None:
    assert master_of(Rendering(BROKEN, "gemini", "m", paid=SENT)) == (SENT, (AS_IT_CAME,))
    with pytest.raises(errors.Unavailable, match="could not be written as jpg"):
        master_of(Rendering(BROKEN, "local", "m"))
    whole = Rendering(codec.decode(SENT.data, ImageLimits(min_side=1)).raster, "gemini", "m", paid=SENT)
    master, notes = master_of(whole)
    assert (master.format, notes) == (ImageFormat.JPEG, ())


class Unencodable(Negative):
    """Draws what cannot be encoded, over a file that was paid for."""

    async def render(self, job: RenderJob) -> Rendering:
        self.calls += 1
        return Rendering(BROKEN, self.name, "m", usage=Usage(1, 1, 1, Decimal("0.03")), paid=SENT)


async def test_a_paid_picture_that_cannot_be_encoded_is_delivered_and_kept(tmp_path: Path) -> None:
    engine = Unencodable()
    services = build_services(Settings(cache=CacheSettings(dir=tmp_path / "cache")), engines={"auto": engine})
    request = GenerateRequest(taken(file_of(photo())), "ink_wash", engine="auto")
    try:
        made = await services.generate(request)
        assert (made.master.data, made.degraded) == (SENT.data, False)
        assert AS_IT_CAME in made.warnings
        again = await services.generate(request)
        assert (again.cache, again.master.data, engine.calls) == (CacheOutcome.HIT, SENT.data, 1)
    finally:
        await services.aclose()


async def test_a_fault_of_ours_around_the_call_is_for_the_ladder_and_not_paid_twice(tmp_path: Path) -> None:
    async with bench(tmp_path) as gemini:
        job = gemini.job(style=None)  # as a caller of ours that is wrong
        with pytest.raises(errors.UnexpectedAnswer, match="AttributeError"):
            await gemini.engine.render(job)
        assert gemini.emulator.total == await gemini.spent() == 0
        assert gemini.engine.guard.breaker.status().consecutive_faults == 0


class FullLedger:
    """Takes reservations, and cannot write what came of them."""

    async def reserve(self, purchase: Purchase, usd: Decimal, cap: Decimal) -> str:
        return f"{purchase} {usd} {cap}"

    async def settle(self, booking: str, usage: Usage, *, drawn: bool) -> None:
        raise OverflowError(f"{booking} {usage}")

    async def spent(self, day: date) -> Decimal:
        raise NotImplementedError(day)

    async def report(self, since: date, until: date) -> list[Spend]:
        raise NotImplementedError(since, until)

    async def report_by_customer(self, first: date, last: date, only: Owner | None = None) -> list[Spend]:
        raise NotImplementedError(first, last, only)

    async def forget(self, owner: Owner) -> int:
        raise NotImplementedError(owner)

    async def ping(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def test_a_ledger_that_fails_afterwards_costs_no_picture(events: Recorder) -> None:
    receipt = Receipt()
    async with Meter(FullLedger(), Decimal(10), events).call(
        Purchase("m", "ink_wash"), Decimal("0.04"), receipt
    ) as bill:
        bill.usage = Usage(1, 10, 10, Decimal("0.03"))
    assert receipt.usage.cost_usd == Decimal("0.03")
    assert any(isinstance(event, StoreFailed) for event in events.events)


class Slow(Negative):
    """Takes its time, by the clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__("local")
        self._clock = clock
        self._seconds = seconds

    async def render(self, job: RenderJob) -> Rendering:
        await self._clock.sleep(self._seconds)
        return await super().render(job)


async def test_on_the_command_line_a_late_substitute_is_better_than_none(tmp_path: Path) -> None:
    clock = LoopClock()
    async with serving(tmp_path, clock, replaced=lambda _: {"local": Slow(clock, 6.0)}) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "hang"}]})
        began = clock.monotonic()
        made = await services.generate(asking(1, deadline=12.0, overtime=20.0))
        assert (made.engine, made.degraded) == ("local", True)
        assert 12 < clock.monotonic() - began < 17
        assert any("after the deadline" in warning for warning in made.warnings)
        assert made.key is not None, "it is kept all the same"
        with pytest.raises(errors.DeadlineExceeded):
            await services.generate(asking(2, deadline=12.0))


@pytest.mark.parametrize("known", [True, False])
async def test_a_server_keeps_the_time_that_the_local_engine_lately_took(tmp_path: Path, known: bool) -> None:
    clock = LoopClock()
    async with serving(tmp_path, clock, replaced=lambda _: {"local": Slow(clock, 4.0)}) as (services, emulator):
        emulator.plan = GeminiPlan.parse({"fault": [{"kind": "hang"}]})
        if known:
            assert (await services.generate(asking(1))).degraded
        else:
            for seed in (2, 3):  # each of them tells that it takes longer than was kept
                with pytest.raises(errors.DeadlineExceeded):
                    await services.generate(asking(seed, deadline=12.0))
        made = await services.generate(asking(4, deadline=12.0))
        assert (made.engine, made.degraded) == ("local", True)
        assert not any("after the deadline" in warning for warning in made.warnings)


async def test_a_bad_answer_is_never_served_again(tmp_path: Path) -> None:
    """One retry, then the ladder, and the next request asks once more."""
    clock = LoopClock()
    async with answering() as server, serving(tmp_path, clock, base_url=server.url) as (services, _):
        server.rows = [Row("", parts(part(drawn(size=(270, 480)))), (0, 0, 0))]
        made = await services.generate(asking(photo=taken(file_of(photo(400, 300)))))
        assert (made.degraded, made.degradation_reason, server.calls) == (True, "bad_answer", 2)
        server.rows = [Row("", parts(GOOD), (0, 0, 0))]
        again = await services.generate(asking(photo=taken(file_of(photo(400, 300)))))
        assert (again.degraded, again.cache, again.engine) == (False, CacheOutcome.MISS, "gemini")


async def test_of_two_keys_the_sdks_is_used_and_told(tmp_path: Path) -> None:
    async with answering() as server:
        server.rows = [Row("", parts(GOOD), (0, 0, 0))]
        for environ, told in (
            ({"GOOGLE_API_KEY": "one", "GEMINI_API_KEY": "two"}, True),
            ({"GOOGLE_API_KEY": "one", "GEMINI_API_KEY": "one"}, False),
            ({"GOOGLE_API_KEY": "one", "GEMINI_API_KEY": ""}, False),
            ({"GOOGLE_API_KEY": "x", "GEMINI_API_KEY": "y", "PERKIE_GEMINI_API_KEY": "one"}, False),
        ):
            homes = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "STATE")}
            loaded = load(environ={**environ, **homes, "GOOGLE_GEMINI_BASE_URL": server.url}, project_dir=tmp_path)
            recorder = Recorder()
            services = build_services(loaded.settings, {**environ, **homes}, events=recorder)
            try:
                await services.gemini.render(
                    RenderJob(codec.decode(file_of(photo()), ImageLimits()).raster, STYLE, 256)
                )
            finally:
                await services.aclose()
            assert "x-goog-api-key: one\r\n" in server.heads[-1]
            shadowed = [event for event in recorder.events if isinstance(event, SettingShadowed)]
            assert bool(shadowed) is told
            if told:
                assert shadowed == [SettingShadowed("gemini.api_key", "GOOGLE_API_KEY", "GEMINI_API_KEY")]
