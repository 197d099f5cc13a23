"""`perkie serve` as a process: start, refusals, and an orderly end under load."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from perkie_cli.bootstrap import build_services
from perkie_cli.config.models import load_models
from perkie_cli.config.schema import Settings
from perkie_cli.domain.people.identity import Owner
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiFaultKind, GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.system.clock import SystemClock
from tests.conftest import Perkie
from tests.pictures import file_of, photo
from tests.serving import perkie_serve

KEY = "CanarySecretKey"


@pytest.fixture
async def gemini() -> AsyncIterator[GeminiEmulator]:
    emulator = GeminiEmulator(TinyPainter(), load_models(), SystemClock())
    await emulator.start()
    yield emulator
    await emulator.aclose()


def test_it_says_where_it_listens_and_ends_well(tmp_path: Path) -> None:
    with perkie_serve(tmp_path) as server:
        assert httpx.get(f"{server.url}/health", timeout=60).json()["status"] == "ok"
        assert httpx.get(f"{server.url}/", timeout=60).status_code == 200
        assert server.stop(signal.SIGTERM) == 0
        first, said, *_ = server.log.splitlines()
        assert first == f"listening on {server.url}"
        for fact in (
            "role=all",
            "engine=local",
            "images=disk:",
            "quotas=sqlite:",
            "auth=none",
            f"address={server.url}",
        ):
            assert fact in said
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO serving: version=", said)


def test_an_interrupt_is_one_and_a_verbose_log_tells_requests_and_no_secrets(tmp_path: Path) -> None:
    with perkie_serve(tmp_path, "-v") as server:
        address = server.url.replace("http", "ws", 1) + "/api/v2/process"
        with connect(address, additional_headers={"X-API-Key": KEY}, open_timeout=60, ping_timeout=None) as socket:
            socket.send(json.dumps({"token": KEY, "image_data": 7}))
            assert json.loads(socket.recv(timeout=60))["event"] == "error"
        httpx.get(f"{server.url}/health", timeout=60)
        httpx.get(f"{server.url}/images/{KEY}", timeout=60)
        assert server.stop(signal.SIGINT) == 130
    assert "Traceback" not in server.log
    assert re.search(r"DEBUG GET /health: 200 in \d\.\d+ s \[request=\w+\]", server.log)
    assert KEY not in server.log


def test_open_doors_are_refused_with_the_reason(perkie: Perkie) -> None:
    done = perkie("serve", "--host", "0.0.0.0")
    assert (done.returncode, done.stdout) == (3, "")
    assert "would let anyone spend your money" in done.stderr
    assert "http.allow_open" in done.stderr


def test_a_taken_port_is_named(perkie: Perkie) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = perkie("serve", "--port", str(port))
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--auth", "password"], "http.auth"),
        (["--auth", "jwt"], "http.jwt_secret"),
        (["--role", "chef"], "http.role"),
        (["--port", "70000"], "70000"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
    ],
)
def test_settings_that_cannot_serve(perkie: Perkie, flags: list[str], said: str) -> None:
    done = perkie("serve", *flags)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_matting_engine_is_told_at_the_start(perkie: Perkie) -> None:
    done = perkie("serve", env={"PERKIE_MATTING_ENGINE": "inspirenet"})
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "no matting engine 'inspirenet'" in done.stderr
    assert "Did you mean 'inspyrenet'?" in done.stderr


def test_a_missing_extra_is_named(perkie: Perkie, tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ModuleNotFoundError('absent', name='uvloop')")
    done = perkie("serve")
    assert done.returncode == 9
    assert "pip install 'perkie-cli[serve]'" in done.stderr


async def test_sigterm_under_load_leaves_nothing_behind(tmp_path: Path, gemini: GeminiEmulator) -> None:
    """Some calls are quick, the others hang: each is answered, or refused when the grace of 3 s ends."""
    gemini.plan = GeminiPlan(faults=(GeminiFault(GeminiFaultKind.HANG, share=0.5),))
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": gemini.url, "PERKIE_HTTP_STOP_WITHIN": "3s"}
    with perkie_serve(tmp_path, "-v", env=env) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=100) as client:
            asked = [asyncio.create_task(_ask(client, number)) for number in range(12)]
            while gemini.total < 12 or not any(task.done() for task in asked):  # noqa: ASYNC110 -- seen from outside
                await asyncio.sleep(0.02)
            code = await asyncio.to_thread(server.stop, signal.SIGTERM)
            answers = await asyncio.gather(*asked)
    assert code == 0
    assert set(answers) <= {200, 503}, server.log
    assert {200, 503} <= set(answers)
    assert "upstream_called: upstream=gemini, attempt=1, outcome=ok" in server.log
    assert KEY not in server.log
    assert "Traceback" not in server.log
    used, in_flight = await _quota(tmp_path, 12)
    assert in_flight == 0
    assert used == answers.count(200)


async def _ask(client: httpx.AsyncClient, number: int) -> int:
    image = base64.b64encode(file_of(photo(256, 256, seed=number))).decode()
    body = {"image_data": image, "style": "ink_wash", "session_id": f"s{number}"}
    return (await client.post("/api/v1/generate", json=body)).status_code


async def _quota(home: Path, sessions: int) -> tuple[int, int]:
    """Pictures used and in flight of all sessions, as the server left them."""
    services = build_services(Settings(), {"XDG_STATE_HOME": str(home / "state"), "HOME": str(home)})
    try:
        charges = [services.quota_limits.charge(Owner.session(f"s{number}")) for number in range(sessions)]
        found = [await services.quotas.status(charge) for charge in charges]
        return sum(each.used for each in found if each), sum(each.in_flight for each in found if each)
    finally:
        await services.aclose()


async def test_health_answers_while_all_workers_draw(tmp_path: Path) -> None:
    """The event loop stays free: no pause of a health check comes near the time that a drawing takes."""
    with perkie_serve(tmp_path, env={"PERKIE_STYLE_SIZE": "512"}) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            await _ask(client, 99)  # imports are paid for
            drawing = [asyncio.create_task(_ask(client, number)) for number in range(4)]
            states = []
            while not all(each.done() for each in drawing):
                states.append((await client.get("/health")).status_code)
                await asyncio.sleep(0.01)
            assert set(states) == {200}
            assert len(states) >= 6  # it was asked many times meanwhile, and always answered
            assert {each.result() for each in drawing} == {200}
