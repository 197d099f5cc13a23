"""The emulated Cloud Run, by Google's own client and ours."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from perkie_cli.domain.deploy.traffic import Share
from perkie_cli.domain.errors import InvalidParameter, NotFound, Unavailable, UpstreamRefused
from perkie_cli.emulators.cloud_run.plan import RunFault, RunFaultKind
from perkie_cli.emulators.fault_plan import parse_faults
from perkie_cli.ports.rollouts import ServiceChange
from tests.run_services import NAME, NEW, PARENT, SERVICE, cloud

FIRST = f"{SERVICE}-00001-emu"
SECOND = f"{SERVICE}-second"


def change(etag: str, *traffic: Share, revision: str = "", image: str = NEW, **annotations: str) -> ServiceChange:
    template = {"revision": revision, "containers": [{"image": image}]} if revision else None
    return ServiceChange(SERVICE, etag, traffic, annotations, template)


async def test_a_new_service_has_all_its_traffic_on_latest() -> None:
    async with cloud() as its:
        live = await its.run.read(SERVICE)
        assert (live.traffic, live.split, live.ready) == ((Share("", 100),), (Share(FIRST, 100),), True)
        assert live.latest_ready == FIRST
        assert [each.name async for each in await its.google.list_services(parent=PARENT)] == [NAME]


async def test_one_update_pins_the_old_revision_and_makes_the_new_one_without_traffic() -> None:
    async with cloud(backends={NEW: "http://127.0.0.1:9"}) as its:
        live = await its.run.read(SERVICE)
        pinned = change(live.etag, Share(FIRST, 100), Share(SECOND, 0, "canary"), revision=SECOND)
        await its.run.change(pinned)
        await its.settled()
        live = await its.run.read(SERVICE)
        assert live.serving == (Share(FIRST, 100), Share(SECOND, 0, "canary"))
        assert live.addresses == {"canary": "http://127.0.0.1:9"}
        assert live.latest_created == SECOND
        assert its.emulator.state.split(NAME) == {FIRST: 100}
        revision = await its.run.revision(SERVICE, SECOND)
        assert revision is not None
        assert (revision.ready, revision.image) == (True, NEW)
        assert await its.run.revision(SERVICE, "none") is None


async def test_an_old_etag_is_a_conflict_and_changes_nothing() -> None:
    async with cloud() as its:
        live = await its.run.read(SERVICE)
        assert await its.run.change(change(live.etag, Share(FIRST, 100), mine="1"))
        assert not await its.run.change(change(live.etag, Share("", 100), mine="2"))
        assert (await its.service()).annotations == {"mine": "1"}
        with pytest.raises(exceptions.Aborted, match="version"):
            stale = run_v2.Service(name=NAME, etag=live.etag, labels={"a": "b"})
            await its.google.update_service(service=stale, update_mask={"paths": ["labels"]})


async def test_only_what_the_mask_names_is_changed() -> None:
    async with cloud() as its:
        before = await its.service()
        await its.run.change(change("", Share(FIRST, 100), mine="1"))
        after = await its.service()
        assert after.template == before.template
        assert dict(after.annotations) == {"mine": "1"}
        assert len(its.emulator.state.revisions) == 1


@pytest.mark.parametrize(
    ("traffic", "more", "told"),
    [
        ((Share(FIRST, 90),), {}, "must add up to 100"),
        ((Share("gone", 100),), {}, "does not exist"),
        ((Share(FIRST, 100, "a"), Share(FIRST, 0, "a")), {}, "used twice"),
        ((Share(FIRST, 100),), {"run.googleapis.com/x": "1"}, "reserved"),
        ((Share(FIRST, 100),), {"revision": FIRST}, "already exists"),
        ((Share(FIRST, 100),), {"revision": "other-1"}, "must start with"),
    ],
)
async def test_what_the_service_refuses_changes_nothing(
    traffic: tuple[Share, ...], more: dict[str, str], told: str
) -> None:
    async with cloud() as its:
        etag = (await its.run.read(SERVICE)).etag
        with pytest.raises(UpstreamRefused, match=told):
            await its.run.change(change(etag, *traffic, **more))
        assert (await its.run.read(SERVICE)).etag == etag


async def test_a_dry_run_on_the_server_says_no_and_changes_nothing() -> None:
    async with cloud() as its:
        live = await its.run.read(SERVICE)
        assert await its.run.change(change(live.etag, Share(FIRST, 100), mine="1"), validate_only=True)
        with pytest.raises(UpstreamRefused):
            await its.run.change(change(live.etag, Share(FIRST, 1)), validate_only=True)
        assert (await its.run.read(SERVICE)) == live


async def test_a_revision_that_does_not_start_leaves_the_traffic_where_it_is() -> None:
    unready = RunFault(kind=RunFaultKind.UNREADY, method="Rollout", begin=0, first=1)
    async with cloud() as its:
        its.emulator.faults.set((unready,))
        template = {"revision": SECOND, "containers": [{"image": NEW}]}
        made = run_v2.Service(name=NAME, template=template, traffic=[{"type_": 2, "revision": SECOND, "percent": 100}])
        operation = await its.google.update_service(service=made, update_mask={"paths": ["template", "traffic"]})
        with pytest.raises(exceptions.GoogleAPICallError, match="failed to start"):
            await operation.result(timeout=60)
        live = await its.run.read(SERVICE)
        assert (live.ready, live.latest_ready, live.latest_created) == (False, FIRST, SECOND)
        revision = await its.run.revision(SERVICE, SECOND)
        assert revision is not None
        assert revision.ready is False
        assert "failed to start" in revision.message
        await its.run.change(change("", Share(FIRST, 100)))
        live = await its.settled()
        assert (live.serving, live.ready) == ((Share(FIRST, 100),), False)  # as in Knative: the latest does not start


async def test_an_answer_may_be_lost_after_the_change() -> None:
    async with cloud() as its:
        its.emulator.faults.set((RunFault(kind=RunFaultKind.LOST, method="UpdateService"),))
        with pytest.raises(Unavailable):
            await its.run.change(change("", Share(FIRST, 100), mine="1"))
        assert (await its.service()).annotations == {"mine": "1"}


async def test_a_rollout_may_never_end_until_the_next_change() -> None:
    async with cloud() as its:
        its.emulator.faults.set((RunFault(kind=RunFaultKind.HANG, method="Rollout", first=1),))
        await its.run.change(change("", Share(FIRST, 100)))
        assert (await its.run.read(SERVICE)).ready is None
        await its.run.change(change("", Share(FIRST, 100), mine="1"))
        assert (await its.settled()).ready


async def test_what_is_not_there_is_not_found() -> None:
    async with cloud() as its:
        with pytest.raises(NotFound, match="the service other does not exist"):
            await its.run.read("other")
        await its.google.delete_service(name=NAME)
        with pytest.raises(NotFound):
            await its.run.read(SERVICE)


async def test_no_server_is_unavailable() -> None:
    async with cloud() as its:
        await its.emulator.aclose()
        with pytest.raises(Unavailable):
            await its.run.read(SERVICE)


@pytest.mark.parametrize(
    "row", [{"kind": "unready"}, {"kind": "error", "method": "Rollout"}, {"kind": "slow", "method": "None"}]
)
def test_a_fault_that_makes_no_sense_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        parse_faults({"fault": [row]}, RunFault)


def test_the_codes_are_those_of_grpc() -> None:
    assert all(grpc.StatusCode[code] for code in RunFault(kind=RunFaultKind.ERROR).code.__class__)
