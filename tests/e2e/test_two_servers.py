"""Two servers as processes over one state folder and one cache: what one works on, the other does not begin."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.models import load_models
from perkie_cli.config.schema import Settings
from perkie_cli.domain.people.identity import Owner
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiFaultKind, GeminiPlan, Latency
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.system.clock import SystemClock
from tests.pictures import file_of, photo
from tests.serving import perkie_serve

BODY = {
    "image_data": base64.b64encode(file_of(photo(256, 256))).decode(),
    "style": "ink_wash",
    "session_id": "one",
}


@pytest.fixture
async def gemini() -> AsyncIterator[GeminiEmulator]:
    emulator = GeminiEmulator(TinyPainter(), load_models(), SystemClock())
    await emulator.start()
    yield emulator
    await emulator.aclose()


async def ask(client: httpx.AsyncClient, url: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(f"{url}/api/v1/generate", json=BODY, headers=headers)


async def quota(home: Path) -> tuple[int, int]:
    """Pictures used and in flight of the session, as the servers left them."""
    services = build_services(Settings(), {"XDG_STATE_HOME": str(home / "state"), "HOME": str(home)})
    try:
        found = await services.quotas.status(services.quota_limits.charge(Owner.session("one")))
        assert found is not None
        return found.used, found.in_flight
    finally:
        await services.aclose()


@pytest.mark.parametrize("key", ["same", None], ids=["with an idempotency key", "without one"])
async def test_one_picture_asked_of_two_servers_at_once_is_paid_and_charged_once(
    key: str | None, tmp_path: Path, gemini: GeminiEmulator
) -> None:
    gemini.plan = GeminiPlan(latency=Latency(median=2.0, p95=2.0))
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": gemini.url}
    with perkie_serve(tmp_path, env=env) as one, perkie_serve(tmp_path, env=env) as other:
        async with httpx.AsyncClient(timeout=100) as client:
            first = asyncio.create_task(ask(client, one.url, key))
            while not gemini.total:  # noqa: ASYNC110 -- seen from outside
                await asyncio.sleep(0.02)
            answers = [await ask(client, other.url, key), await first]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert not any(answer.json()["degraded"] for answer in answers)
    assert gemini.total == 1
    assert await quota(tmp_path) == (1, 0)


@pytest.mark.parametrize("key", ["same", None], ids=["with an idempotency key", "without one"])
async def test_a_retry_at_the_other_server_after_a_crash_gets_its_picture_within_its_deadline(
    key: str | None, tmp_path: Path, gemini: GeminiEmulator
) -> None:
    gemini.plan = GeminiPlan(faults=(GeminiFault(GeminiFaultKind.HANG),))
    env = {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": gemini.url}
    with perkie_serve(tmp_path, env=env) as dying, perkie_serve(tmp_path, env=env) as other:
        async with httpx.AsyncClient(timeout=100) as client:
            first = asyncio.create_task(ask(client, dying.url, key))
            while not gemini.total:  # noqa: ASYNC110 -- seen from outside
                await asyncio.sleep(0.02)
            dying.process.send_signal(signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                await first
            gemini.plan = GeminiPlan()
            answer = await ask(client, other.url, key)
    assert answer.status_code == 200, other.log
    assert (answer.json()["degraded"], answer.json()["cache"]) == (False, "miss")
