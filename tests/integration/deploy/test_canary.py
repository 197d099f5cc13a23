"""A canary over an emulated Cloud Run with real servers, customers and perkie's own metrics."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from perkie_cli.domain.deploy.rollout import Phase
from perkie_cli.domain.deploy.traffic import Share
from perkie_cli.domain.errors import ChangesPending, Interrupted, ThresholdsFailed, Unavailable
from perkie_cli.domain.events import Audited
from perkie_cli.emulators.cloud_run.plan import RunFault, RunFaultKind
from perkie_cli.emulators.rpc_faults import RpcCode
from perkie_cli.ports.rollouts import ServiceChange
from perkie_cli.stores.google.run_services import GoogleRunServices
from tests.run_services import PROJECT, REGION, SERVICE
from tests.shipping import FIRST, Shop, shop


def splits(its: Shop) -> list[str]:
    return [event.after.replace(SERVICE, "s") for event in its.events.events if isinstance(event, Audited)]


async def test_a_good_revision_gets_everything_in_steps_by_name() -> None:
    async with shop() as its:
        await its.ship(its.canary())
        state = await its.state()
        assert (state.phase, its.split()) == (Phase.DONE, {state.new: 100})
        live = await its.cloud.settled()
        assert live.traffic == (Share(state.new, 100),)  # by name, and without our tags
        new = state.new.replace(SERVICE, "s")
        assert splits(its) == [
            f"s-00001-emu 100 %, s-00001-emu 0 % (stable), {new} 0 % (canary)",
            f"s-00001-emu 90 %, {new} 10 % (canary), s-00001-emu 0 % (stable)",
            f"s-00001-emu 50 %, {new} 50 % (canary), s-00001-emu 0 % (stable)",
            f"{new} 100 % (canary), s-00001-emu 0 % (stable)",
            f"{new} 100 %",
        ]
        assert its.driver.proven == [its.new.url]


async def test_one_that_turns_bad_at_half_is_back_after_the_first_bad_evaluation() -> None:
    async with shop() as its:
        its.new.fails = lambda: its.share_of_new() >= 50 and random.random() < 0.5
        with pytest.raises(ThresholdsFailed, match="went back to perkie-artistic-00001-emu 100 %: error_rate") as error:
            await its.ship(its.canary())
        assert its.split() == {FIRST: 100}
        judged = [line for line in its.said if "unhealthy" in line and line[0].isdigit()]
        assert len(judged) == 1  # the first bad evaluation is the last one
        assert its.said[its.said.index(judged[0]) + 2].startswith("goes back: ")
        assert (await its.state()).phase is Phase.BACK
        assert error.value.hint is not None
        assert "begins again" in error.value.hint
        answered = its.customers.answers[200]
        await until(lambda: its.customers.answers[200] >= answered + 20)  # the old one serves all of them
        assert its.customers.lost == 0


async def test_an_outage_that_the_old_revision_shares_is_no_reason_to_go_back() -> None:
    async with shop() as its:
        its.new.fails = its.old.fails = lambda: its.share_of_new() >= 50 and random.random() < 0.5
        with pytest.raises(Unavailable, match="both revisions suffer, so it stays holding at 50 %") as error:
            await its.ship(its.canary(max_hold=3.0))
        assert its.share_of_new() == 50
        assert error.value.hint is not None
        assert "--resume` goes on" in error.value.hint
        its.new.fails = its.old.fails = lambda: False
        await its.canary().resume()
        assert its.share_of_new() == 100


async def test_without_data_it_holds_and_then_goes_back() -> None:
    async with shop() as its:
        its.new.told = False
        with pytest.raises(Unavailable, match=r"nothing could be judged: error_rate .* no data") as error:
            await its.ship(its.canary(max_hold=0.4))
        assert error.value.exit_code == 5
        assert its.split() == {FIRST: 100}


async def test_one_that_stops_answering_has_no_data_and_goes_back_all_the_same() -> None:
    async with shop() as its:
        its.new.gone = lambda: its.share_of_new() >= 50
        its.new.told = False
        with pytest.raises(ThresholdsFailed, match=r"answering \(at its own address\): unhealthy"):
            await its.ship(its.canary(steps=(50, 100), max_hold=600.0))
        assert its.split() == {FIRST: 100}


async def test_too_few_answers_are_no_data_either() -> None:
    async with shop() as its:
        with pytest.raises(Unavailable, match="fewer than 1000000 answers"):
            await its.ship(its.canary(max_hold=0.4, least=1_000_000))
        assert its.split() == {FIRST: 100}


async def test_what_fails_its_proof_never_gets_a_customer() -> None:
    async with shop() as its:
        its.driver.failure = "thresholds failed: error_rate<=0% is 100 %"
        with pytest.raises(ThresholdsFailed, match="fails before it has any traffic: thresholds failed"):
            await its.ship(its.canary())
        assert its.split() == {FIRST: 100}
        assert not [line for line in splits(its) if "10 %" in line]


async def test_a_revision_that_does_not_start_changes_no_traffic() -> None:
    async with shop() as its:
        its.cloud.emulator.faults.set((RunFault(kind=RunFaultKind.UNREADY, method="Rollout", first=1),))
        with pytest.raises(ThresholdsFailed, match=r"does not start: .*failed to start and listen"):
            await its.ship(its.canary())
        assert its.split() == {FIRST: 100}
        live = await its.cloud.settled()
        assert live.traffic == (Share(FIRST, 100),)
        assert its.driver.proven == []


@pytest.mark.parametrize("bad", [False, True])
async def test_rollback_writes_the_old_split_and_keeps_the_tags_of_others(bad: bool) -> None:
    async with shop() as its:
        old = (Share(FIRST, 100), Share(FIRST, 0, "blue"))
        await its.cloud.run.change(ServiceChange(SERVICE, "", old, {"theirs": "1"}))
        await its.cloud.settled()
        if bad:
            its.new.fails = lambda: True
            with pytest.raises(ThresholdsFailed):
                await its.ship(its.canary())
        else:
            await its.ship(its.canary())
            assert {*(await its.cloud.settled()).traffic} >= {Share(FIRST, 0, "blue")}
            await its.canary().rollback()
        live = await its.cloud.settled()
        assert {*live.traffic} == {*old}
        assert live.annotations["theirs"] == "1"
        with pytest.raises(ChangesPending, match="nothing to go back to"):
            await its.canary().rollback()


async def test_a_tag_that_others_add_on_the_way_stays() -> None:
    async with shop() as its:
        task = asyncio.create_task(its.ship(its.canary(steps=(10, 100), hold=0.7)))
        await until(lambda: its.share_of_new() == 10)
        live = await its.cloud.settled()
        tagged = (*live.traffic, Share(FIRST, 0, "green"))
        assert await its.cloud.run.change(ServiceChange(SERVICE, live.etag, tagged, live.annotations))
        await task
        assert Share(FIRST, 0, "green") in (await its.cloud.settled()).traffic


async def test_traffic_that_somebody_else_changes_is_left_alone() -> None:
    async with shop() as its:
        task = asyncio.create_task(its.ship(its.canary(hold=600.0, max_hold=900.0)))
        await until(lambda: its.share_of_new() == 10)
        live = await its.cloud.settled()
        theirs = (Share(FIRST, 70), Share(live.latest_ready, 30))
        assert await its.cloud.run.change(ServiceChange(SERVICE, live.etag, theirs, live.annotations))
        with pytest.raises(ChangesPending, match="somebody else changed the traffic") as error:
            await task
        assert its.split() == {FIRST: 70, live.latest_ready: 30}
        assert "rollback" in str(error.value.hint)
        with pytest.raises(ChangesPending, match="somebody else"):
            await its.canary().resume()
        await its.canary().rollback()
        assert its.split() == {FIRST: 100}


class Overtaken(GoogleRunServices):
    """Somebody else changes the traffic between the look and the write, once the new revision has some."""

    async def change(self, change: ServiceChange, *, validate_only: bool = False) -> bool:
        live = await self.read(SERVICE)
        if live.annotations and change.etag == live.etag:
            assert await super().change(ServiceChange(SERVICE, live.etag, (Share(FIRST, 100),), live.annotations))
        return await super().change(change, validate_only=validate_only)


async def test_traffic_that_changes_between_the_look_and_the_write_is_left_alone() -> None:
    async with shop() as its:
        run = Overtaken(PROJECT, REGION, its.cloud.environ)
        with pytest.raises(ChangesPending, match="somebody else changed the traffic"):
            await its.ship(its.canary(run=run))
        await run.aclose()
        live = await its.cloud.settled()
        assert live.traffic == (Share(FIRST, 100),)
        assert its.cloud.emulator.counts["ABORTED"] == 1


async def test_a_second_canary_is_refused_while_one_is_in_progress() -> None:
    async with shop() as its:
        first, second = its.canary(steps=(10,), hold=600.0, max_hold=900.0), its.canary()
        plan = await second.plan()
        task = asyncio.create_task(its.ship(first))
        await until(lambda: its.share_of_new() == 10)
        with pytest.raises(ChangesPending, match=r"a canary is in progress: .*holding at 10 %"):
            await its.canary().plan()
        with pytest.raises(ChangesPending, match="another canary is in progress"):  # it had looked before
            await second.begin(plan, lambda name: {"revision": name, "containers": [{"image": "x"}]}, "x")
        task.cancel()
        with pytest.raises(Interrupted):
            await task


@pytest.mark.parametrize(
    ("at", "then"),
    [
        ("tries", "resume"),
        ("holding at 50", "rollback"),
        *(
            pytest.param(at, then, marks=pytest.mark.slow)
            for at in ("tries", "holding at 10", "holding at 50", "holding at 100")
            for then in ("resume", "rollback")
        ),
    ],
)
async def test_it_goes_on_or_back_after_an_interruption_at_each_step(at: str, then: str) -> None:
    async with shop() as its:
        steps = (int(at.split()[-1]),) if at != "tries" else (100,)
        task = asyncio.create_task(its.ship(its.canary(steps=steps, hold=600.0, max_hold=900.0)))
        if at == "tries":
            its.driver.waits = True
            await until(lambda: bool(its.driver.proven))
        else:
            await until(lambda: its.share_of_new() == steps[0])
        task.cancel()
        with pytest.raises(Interrupted, match="interrupted"):
            await task
        its.driver.waits = False
        if then == "resume":
            await its.canary().resume()
            assert its.split() == {(await its.state()).new: 100}
        else:
            await its.canary().rollback()
            assert its.split() == {FIRST: 100}
        assert (await its.cloud.settled()).traffic == tuple(Share(name, 100) for name in its.split())


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (RunFaultKind.LOST, RpcCode.UNAVAILABLE),
        pytest.param(RunFaultKind.ERROR, RpcCode.UNAVAILABLE, marks=pytest.mark.slow),
        pytest.param(RunFaultKind.ERROR, RpcCode.ABORTED, marks=pytest.mark.slow),
    ],
)
async def test_lost_answers_outages_and_conflicts_of_cloud_run_are_survived(kind: RunFaultKind, code: RpcCode) -> None:
    fault = RunFault(kind=kind, method="UpdateService", code=code, share=0.5)
    reading = RunFault(kind=RunFaultKind.ERROR, method="GetService", share=0.2)
    async with shop(seed=3) as its:
        its.cloud.emulator.faults.set((fault, reading))
        await its.ship(its.canary())
        its.cloud.emulator.faults.set(())
        assert its.share_of_new() == 100
        assert len(its.cloud.emulator.state.revisions) == 2  # made once
        assert len(splits(its)) == 5  # each change audited once


async def test_a_rollout_that_takes_long_is_waited_for() -> None:
    async with shop() as its:
        its.cloud.emulator.faults.set((RunFault(kind=RunFaultKind.SLOW, method="Rollout", seconds=0.05),))
        await its.ship(its.canary())
        assert its.share_of_new() == 100


async def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        await asyncio.sleep(0.005)


async def test_the_state_is_on_the_service_and_nowhere_else() -> None:
    async with shop() as its:
        await its.ship(its.canary())
        annotations = (await its.cloud.service()).annotations
        assert [*annotations] == ["perkie.dev/canary"]
