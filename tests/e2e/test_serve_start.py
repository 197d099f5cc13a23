"""A server that cannot serve does not start; one that could serve better says so, at its start and at /ready."""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from perkie_cli.config.models import load_models
from perkie_cli.emulators.gemini.painter import TinyPainter
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiFaultKind, GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.ops.doctor.server import Server, ready
from perkie_cli.system.clock import SystemClock
from tests.conftest import Perkie
from tests.http_server import PHOTO64
from tests.serving import ServerProcess, perkie_serve

KEY = "CanarySecretKey"
NOWHERE = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}


@pytest.fixture
async def gemini() -> AsyncIterator[GeminiEmulator]:
    emulator = GeminiEmulator(TinyPainter(), load_models(), SystemClock(), api_key=KEY)
    await emulator.start()
    yield emulator
    await emulator.aclose()


@pytest.mark.parametrize(
    ("env", "flags", "code", "said"),
    [
        ({"PERKIE_CACHE_STORE": "gcs"}, (), 3, ("no bucket is set", "PERKIE_CACHE_BUCKET")),
        ({"PERKIE_STYLE_ENGINE": "gemini"}, (), 4, ("no key for the Gemini API", "Set GEMINI_API_KEY")),
        ({**NOWHERE, "PERKIE_GEMINI_MODEL": "gemini-nano-bananna-2.1"}, (), 3, ("unknown model", "Did you mean")),
        ({**NOWHERE, "GEMINI_API_KEY": "sm://my-key"}, (), 3, ("not a reference to a secret", "sm://projects/")),
        ({**NOWHERE, "GOOGLE_GEMINI_BASE_URL": "localhost"}, (), 3, ("not a valid address", "http://HOST:PORT")),
        ({**NOWHERE, "HTTPS_PROXY": "http://h:abc"}, (), 3, ("HTTPS_PROXY", "http://HOST:PORT")),
        ({"PERKIE_HTTP_API_KEYS": "/nowhere/keys.toml"}, ("--auth", "api-key"), 3, ("keys.toml cannot be read",)),
        ({**NOWHERE, "XDG_STATE_HOME": "/dev/null"}, (), 9, ("spend ledger /dev/null/", "cannot be used")),
        ({**NOWHERE, "XDG_STATE_HOME": "{corrupt}"}, (), 9, ("spend ledger", "is corrupt", "perkie state verify")),
        (
            {
                "GOOGLE_GENAI_USE_VERTEXAI": "1",
                "GOOGLE_CLOUD_PROJECT": "p",
                "GOOGLE_APPLICATION_CREDENTIALS": "/x.json",
            },
            (),
            4,
            ("no Google credentials for Vertex AI: File /x.json was not found", "gcloud auth"),
        ),
        (
            {
                "PERKIE_CACHE_STORE": "gcs",
                "PERKIE_CACHE_BUCKET": "some-bucket",
                "GOOGLE_APPLICATION_CREDENTIALS": "/x.json",
            },
            (),
            4,
            ("no Google credentials for gs://some-bucket", "gcloud auth"),
        ),
        ({"PERKIE_HTTP_PUBLIC_URL": "shop.example"}, (), 3, ("http.public_url", "https://shop.example")),
        ({"PERKIE_HTTP_LINK_SECRET": "sm://x"}, (), 3, ("not a reference to a secret",)),
    ],
)
def test_what_no_waiting_mends_refuses_the_start(
    perkie_here: Perkie,
    tmp_path: Path,
    env: Mapping[str, str],
    flags: tuple[str, ...],
    code: int,
    said: tuple[str, ...],
) -> None:
    (tmp_path / "perkie").mkdir()
    (tmp_path / "perkie" / "spend.sqlite").write_text("this is no database" * 100)
    own = {name: value.replace("{corrupt}", str(tmp_path)) for name, value in env.items()}
    done = perkie_here("serve", "--port", "0", *flags, env=own)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert all(each in done.stderr for each in said), done.stderr
    assert "listening" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_style_refuses_the_start_with_file_and_line(perkie: Perkie, home: Path) -> None:
    own = home / "config" / "perkie" / "styles"
    own.mkdir(parents=True)
    (own / "z.toml").write_text('id = "z"\ntitle = "Z"\nprompt = "p"\n[local.parameters]\nseel = true\n')
    done = perkie("serve", "--port", "0")
    assert done.returncode == 3
    assert "z.toml:5: the recipe ink_wash has no parameter 'seel'" in done.stderr
    assert "Did you mean 'seal'?" in done.stderr
    assert "listening" not in done.stderr


def test_the_matting_role_refuses_to_start_without_its_weights(perkie: Perkie) -> None:
    done = perkie("serve", "--port", "0", "--role", "matting", env={"PERKIE_MATTING_ENGINE": "inspyrenet"})
    assert done.returncode != 0
    assert "perkie models pull" in done.stderr


async def _degraded(server: ServerProcess, name: str) -> str:
    """Asks /ready until it has an answer about ``name``: a first look may take longer than a ping's limit."""
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        while True:
            answer = await client.get("/ready")
            body = answer.json()
            state = body["dependencies"][name]
            if state != "timeout":
                assert (answer.status_code, body["status"]) == (200, "ready")
                assert (name in body["degraded"]) == (state != "ok")
                return str(state)
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("env", "state", "said"),
    [
        ({}, "ok", ""),
        ({"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}, "upstream_fault", "no connection to gemini at 127.0.0.1:9"),
        ({"GEMINI_API_KEY": "another"}, "wrong_credentials", "gemini refused the key"),
        ({"PERKIE_GEMINI_MODEL": "gemini-2.5-flash-image"}, "retired_model", "was shut down on"),
    ],
)
async def test_ready_tells_whether_gemini_would_draw(
    tmp_path: Path, gemini: GeminiEmulator, env: Mapping[str, str], state: str, said: str
) -> None:
    own = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": gemini.url}
    with perkie_serve(tmp_path, env={**own, **env}) as server:
        assert await _degraded(server, "gemini") == state
        assert await _degraded(server, "ledger") == "ok"
        assert server.stop() == 0
    told = [line for line in server.log.splitlines() if "WARNING gemini: " in line]
    assert len(told) == (1 if said else 0), server.log  # once, however often /ready was asked
    assert all(f"WARNING gemini: {state}: " in line and said in line for line in told)
    assert "engine=gemini, model=gemini-" in server.log
    assert gemini.total == 0  # nothing was spent
    assert KEY not in server.log


async def test_ready_tells_that_the_breaker_is_open_and_sends_nothing_to_find_out(
    tmp_path: Path, gemini: GeminiEmulator
) -> None:
    gemini.plan = GeminiPlan(faults=(GeminiFault(GeminiFaultKind.OUTAGE),))
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": gemini.url, "PERKIE_STYLE_SIZE": "256"}
    with perkie_serve(tmp_path, env=env) as server:
        assert await _degraded(server, "gemini") == "ok"
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client, asyncio.timeout(90):
            for number in itertools.count():
                body = {"image_data": PHOTO64, "style": "ink_wash", "session_id": f"s{number}"}
                assert (await client.post("/api/v1/generate", json=body)).json()["engine"] == "local"
                if await _degraded(server, "gemini") == "breaker_open":
                    break
        sent = gemini.total
        assert await _degraded(server, "gemini") == "breaker_open"
        async with httpx.AsyncClient(base_url=server.url) as client:
            told = (await client.get("/ready")).json()["breakers"]["gemini"]
        assert (told["state"], 0 < told["wait"] <= 60) == ("open", True)
        due = datetime.fromisoformat(told["next_probe"]) - datetime.now(UTC)
        assert due.total_seconds() == pytest.approx(told["wait"], abs=5)
        (said,) = [each for each in await ready(Server(server.url)) if each.message.startswith("gemini: breaker_open")]
        assert re.search(r"\(the next probe passes at \d\d:\d\d:\d\d UTC, in \d+ s\); it works without$", said.message)
        assert gemini.total == sent
        assert server.stop() == 0
    assert server.log.count("WARNING gemini: breaker_open: ") == 1
    gemini.plan = GeminiPlan()
    with perkie_serve(tmp_path, env=env) as again:
        async with httpx.AsyncClient(base_url=again.url, timeout=60) as client:
            assert (await client.post("/api/v1/generate", json=body)).json()["engine"] == "gemini"
            assert (await client.get("/ready")).json()["breakers"] == {}
    assert gemini.total > sent, "a restart asks at once"


async def test_ready_tells_of_a_ledger_that_is_down_and_of_its_return(tmp_path: Path, gemini: GeminiEmulator) -> None:
    with perkie_serve(tmp_path, env={"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": gemini.url}) as server:
        assert await _degraded(server, "ledger") == "ok"
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            with closing(
                sqlite3.connect(tmp_path / "state" / "perkie" / "spend.sqlite", isolation_level=None)
            ) as other:
                other.execute("BEGIN IMMEDIATE")  # another process holds it, and does not let go
                for _ in range(2):  # one slow answer is not told yet
                    answer = (await client.get("/ready")).json()
                assert (answer["status"], answer["degraded"]) == ("ready", ["ledger", "weights"])
                assert answer["dependencies"]["ledger"] in ("timeout", "store_unavailable")
        assert await _degraded(server, "ledger") == "ok"
        assert server.stop() == 0
    told = [line.split(" ", 1)[1] for line in server.log.splitlines() if " ledger: " in line]
    assert told[0].startswith("WARNING ledger: "), server.log
    assert told[-1].startswith("INFO ledger: ok again"), server.log
    assert len(told) <= 3


@pytest.mark.parametrize("engine", ["local", "gemini"])
async def test_a_store_that_cannot_be_written_stops_only_who_needs_it(
    tmp_path: Path, perkie: Perkie, engine: str
) -> None:
    """In a container whose root is read-only the local engine draws on, and counts in memory."""
    env = {"XDG_STATE_HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "PERKIE_STYLE_ENGINE": engine}
    if engine == "gemini":
        assert perkie("serve", "--port", "0", env={**NOWHERE, **env}).returncode == 9
        return
    with perkie_serve(tmp_path, env=env) as server:
        assert await _degraded(server, "quotas") == "store_broken"
        assert await _degraded(server, "images") == "store_broken"
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            drawn = await client.post("/api/v1/generate", json={"image_data": PHOTO64, "style": "ink_wash"})
            assert (drawn.status_code, drawn.json()["image_url"][:11]) == (200, "data:image/")
        assert server.stop() == 0
    for name in ("images", "quotas"):
        assert server.log.count(f"WARNING {name}: store_broken: ") == 1


def test_a_server_says_what_several_of_it_would_lack(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[key]]\nname = "shop"\nsha256 = "{"0" * 64}"\nscopes = ["generate"]\n')
    env = {"PERKIE_HTTP_API_KEYS": str(keys), "K_REVISION": "perkie-00042-abc", "PORT": "8080"}
    with perkie_serve(tmp_path, "--auth", "api-key", env=env) as server:
        assert server.stop() == 0
    assert "WARNING image links are signed with a secret of this process" in server.log
    assert "set http.link_secret" in server.log
    assert "WARNING PORT is set, as container platforms do" in server.log
    assert "auth=api-key" in server.log
    assert "revision=perkie-00042-abc" in server.log
