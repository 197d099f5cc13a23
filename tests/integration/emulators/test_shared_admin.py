"""What all emulators' admin API shares: fault plans and a wrong clock with a lease, and who met them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from perkie_cli.config.models import load_models
from perkie_cli.emulators.firestore.database import Database
from perkie_cli.emulators.firestore.server import FirestoreEmulator
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.emulators.run import Emulator, running
from perkie_cli.emulators.storage.server import StorageEmulator
from perkie_cli.system.clock import SystemClock
from tests.clock import ManualClock

ANYBODY = AnonymousCredentials()  # type: ignore[no-untyped-call]
KIND = {"gemini": "outage", "firestore": "error", "storage": "error"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=KIND)
async def admin(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[httpx.AsyncClient]:
    made: dict[str, Emulator] = {
        "gemini": GeminiEmulator(TinyPainter(), load_models(), clock),
        "firestore": FirestoreEmulator(Database(clock), clock),
        "storage": StorageEmulator(clock),
    }
    emulator = made[request.param]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(emulator))
        url = emulator.admin.url if isinstance(emulator, FirestoreEmulator) else emulator.url  # type: ignore[attr-defined]
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{url}/_emulator"))
        client.headers["x-kind"] = KIND[request.param]
        yield client


async def show(admin: httpx.AsyncClient, path: str = "/plan") -> dict[str, Any]:
    answer = (await admin.get(path)).json()
    assert isinstance(answer, dict)
    return answer


async def test_a_plan_is_shown_and_ends_with_its_lease(admin: httpx.AsyncClient, clock: ManualClock) -> None:
    kind = admin.headers["x-kind"]
    put = await admin.put("/plan", json={"for": "60s", "fault": [{"kind": kind}]})
    assert (put.status_code, put.json()["left"]) == (200, 60)
    clock.advance(20)
    shown = await show(admin)
    assert ([row["kind"] for row in shown["fault"]], shown["left"], shown["met"]) == ([kind], 40, [0])
    again = await admin.put("/plan", json={"fault": shown["fault"]})
    assert (again.status_code, again.json()["left"]) == (200, None), "what is shown is a plan"
    await admin.put("/plan", json={"for": "5s", "fault": [{"kind": kind}]})
    clock.advance(5)
    assert ((await show(admin))["fault"], (await show(admin))["met"]) == ([], [0])


@pytest.mark.parametrize("body", ['{"for": 0}', '{"for": "x"}', '{"fault": [{"kind": "x"}]}', "[]", "{", '{"x": 1}'])
async def test_a_wrong_plan_changes_nothing(admin: httpx.AsyncClient, body: str) -> None:
    await admin.put("/plan", json={"for": "60s", "fault": [{"kind": admin.headers["x-kind"]}]})
    assert (await admin.put("/plan", content=body)).status_code == 400
    assert len((await show(admin))["fault"]) == 1
    assert (await admin.delete("/plan")).json()["fault"] == []


async def test_the_clock_goes_wrong_and_right_again(admin: httpx.AsyncClient, clock: ManualClock) -> None:
    assert (await admin.put("/clock", json={"offset": -300, "for": "1m"})).status_code == 200
    shown = await show(admin, "/clock")
    assert (shown["offset"], shown["left"]) == (-300, 60)
    assert shown["now"] == (clock.now() - timedelta(minutes=5)).isoformat()
    clock.advance(60)
    assert (await show(admin, "/clock"))["offset"] == 0
    await admin.put("/clock", json={"offset": 5})
    assert (await admin.delete("/clock")).json()["offset"] == 0


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"offset": "x"}', '{"offset": 1e300}', '{"offset": NaN}', '{"to": 1}', '{"offset": true}']
)
async def test_a_wrong_clock_is_refused(admin: httpx.AsyncClient, body: str) -> None:
    assert (await admin.put("/clock", content=body)).status_code == 400
    assert (await show(admin, "/clock"))["offset"] == 0


@pytest.mark.parametrize(
    ("fault", "at_least"),
    [
        ({"kind": "bandwidth", "rate": 100_000}, 0.5),  # 60 kB up, 60 kB down
        ({"kind": "sliced", "size": 10_000, "seconds": 0.1}, 0.5),
        ({"kind": "slow_close", "seconds": 0.5}, 0.5),
    ],
    ids=["bandwidth", "sliced", "slow_close"],
)
async def test_googles_client_gets_everything_over_a_bad_line(fault: dict[str, Any], at_least: float) -> None:
    emulator, clock, data = StorageEmulator(SystemClock()), SystemClock(), bytes(range(256)) * 240
    async with running(emulator), httpx.AsyncClient(base_url=emulator.url) as admin:
        emulator.add_bucket("pets")

        def play() -> float:
            client = storage.Client("p", credentials=ANYBODY, client_options={"api_endpoint": emulator.url})
            blob = client.bucket("pets").blob("x.jpg")
            began = clock.monotonic()
            blob.upload_from_string(data, retry=None, timeout=60)
            assert blob.download_as_bytes(retry=None, timeout=60) == data
            return clock.monotonic() - began

        await admin.put("/_emulator/plan", json={"for": "60s", "fault": [fault]})
        took = await asyncio.to_thread(play)
        assert took > at_least
        (met,) = (await show(admin, "/_emulator/plan"))["met"]
        assert met >= 2, "the upload and the download"
