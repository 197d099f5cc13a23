"""An outage of matting costs no customer a cut-out: the builtin network stands in, and says so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import CacheSettings, GeneralSettings, MattingSettings, Settings, StyleSettings
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.errors import (
    CorruptImage,
    LowConfidence,
    MissingWeights,
    OutOfMemory,
    PerkieError,
    UpstreamFault,
    WrongCredentials,
)
from perkie_cli.domain.events import Degraded
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import CacheUse, Fallback, GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.engines.u2net.engine import BuiltinEngine
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.system.threads import thread_workers
from tests.conftest import CAT, Perkie
from tests.engines import Centre
from tests.events import Recorder
from tests.pictures import file_of, photo, taken
from tests.scripted_server import hangs_up, scripted
from tests.serving import perkie_serve

PHOTO = taken(CAT.read_bytes())
PHOTO_OF_NOTHING = np.full((300, 400, 3), (90, 120, 60), np.uint8)
DOWN = UpstreamFault("the GPU is on fire")


@pytest.fixture
def engine() -> Centre:
    return Centre()


@pytest.fixture
def told() -> Recorder:
    return Recorder()


@pytest.fixture
async def services(tmp_path: Path, engine: Centre, told: Recorder) -> AsyncIterator[Services]:
    settings = Settings(cache=CacheSettings(dir=tmp_path / "cache"), style=StyleSettings(engine="local"))
    engines: dict[str, Any] = {"auto": engine, "centre": engine, "builtin": BuiltinEngine(thread_workers(1))}
    made = build_services(settings, matting_engines=engines, events=told)
    yield made
    await made.aclose()


@pytest.mark.parametrize("error", [DOWN, OutOfMemory("1 GB short"), MissingWeights("no file")])
async def test_a_failing_engine_is_replaced_and_the_answer_says_so(
    services: Services, engine: Centre, told: Recorder, error: PerkieError
) -> None:
    engine.error = error
    made = await services.cutouts(CutoutRequest(PHOTO))
    assert (made.engine, made.degraded, made.degradation_reason) == ("builtin", True, error.code)
    assert made.facts().degradation_reason == error.code
    assert any("builtin engine" in warning for warning in made.warnings)
    assert not any(error.message in warning for warning in made.warnings)  # a customer cannot help it
    assert [each for each in told.events if isinstance(each, Degraded)] == [
        Degraded("cutout", error.code, "builtin", "builtin", error.message, error.hint)
    ]


async def test_an_engineer_is_told_the_cause(services: Services, engine: Centre) -> None:
    engine.error = DOWN
    made = await services.cutouts(CutoutRequest(PHOTO, cover_setup=False))
    assert any(DOWN.message in warning for warning in made.warnings)


async def test_it_is_kept_under_its_own_recipe_so_that_the_usual_engine_is_asked_again(
    services: Services, engine: Centre
) -> None:
    engine.error = DOWN
    first = await services.cutouts(CutoutRequest(PHOTO))
    again = await services.cutouts(CutoutRequest(PHOTO))
    engine.error = None
    healthy = await services.cutouts(CutoutRequest(PHOTO))
    assert engine.calls == 3
    assert (again.cache, again.degraded, again.key) == (CacheOutcome.HIT, True, first.key)
    assert (healthy.engine, healthy.degraded, healthy.cache) == ("centre", False, CacheOutcome.MISS)
    asked_for = await services.cutouts(CutoutRequest(PHOTO, "builtin"))
    assert (asked_for.key, asked_for.cache, asked_for.degraded) == (first.key, CacheOutcome.HIT, False)


async def test_who_allows_no_fallback_gets_the_error(services: Services, engine: Centre) -> None:
    engine.error = DOWN
    with pytest.raises(UpstreamFault, match="on fire"):
        await services.cutouts(CutoutRequest(PHOTO, fallback=False))


@pytest.mark.parametrize("cover", [True, False])
async def test_a_refused_key_is_covered_for_customers_only(services: Services, engine: Centre, cover: bool) -> None:
    engine.error = WrongCredentials("the key was refused")
    asked = CutoutRequest(PHOTO, cover_setup=cover)
    if cover:
        assert (await services.cutouts(asked)).degraded
    else:
        with pytest.raises(WrongCredentials):
            await services.cutouts(asked)


async def test_what_the_caller_did_is_not_covered(services: Services, engine: Centre) -> None:
    broken = taken(file_of(photo())[:-400])
    with pytest.raises(CorruptImage):
        await services.cutouts(CutoutRequest(broken))
    nothing = taken(codec.encode(Raster(PHOTO_OF_NOTHING), ImageFormat.PNG).data)
    engine.error = DOWN
    with pytest.raises(LowConfidence):
        await services.cutouts(CutoutRequest(nothing, strict=True))


async def test_where_the_stand_in_fails_too_the_first_error_is_told(
    services: Services, engine: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    from perkie_cli.engines.u2net import subject, weights

    monkeypatch.setattr(subject, "shared_network", lambda: weights.read_weights(Path("nowhere")))
    engine.error = DOWN
    with pytest.raises(UpstreamFault, match="on fire"):
        await services.cutouts(CutoutRequest(PHOTO, cache=CacheUse.OFF))


async def test_a_drawing_of_such_a_cut_out_is_labelled_and_drawn_again_once_the_engine_is_back(
    services: Services, engine: Centre
) -> None:
    asked = GenerateRequest(PHOTO, "ink_wash", remove_background=True)
    engine.error = DOWN
    first = await services.generate(asked)
    engine.error = None
    second = await services.generate(asked)
    assert (first.degraded, first.degradation_reason, first.engine) == (True, "upstream_fault", "local")
    assert (second.degraded, second.cache) == (False, CacheOutcome.MISS)
    assert first.fingerprint != second.fingerprint


async def test_a_drawing_without_the_local_step_does_not_take_a_substitute(services: Services, engine: Centre) -> None:
    engine.error = DOWN
    for allowed in (frozenset[Fallback](), frozenset({Fallback.CACHE})):
        with pytest.raises(UpstreamFault):
            await services.generate(GenerateRequest(PHOTO, "ink_wash", remove_background=True, fallback=allowed))


# ------------------------------------------------------------------------------------------------ real engines
async def test_a_remote_that_hangs_up_is_replaced(tmp_path: Path) -> None:
    with scripted(hangs_up) as server:
        settings = Settings(cache=CacheSettings(dir=tmp_path), matting=MattingSettings(remote_url=server.url))
        services = build_services(settings)
        made = await services.cutouts(CutoutRequest(PHOTO))
        assert (made.engine, made.degraded) == ("builtin", True)
        assert "fallback=none" in server.requests[0][0]  # the other perkie's substitute is not passed off as its best
        await services.aclose()


async def test_weights_that_are_missing_are_replaced(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    settings = Settings(
        general=GeneralSettings(offline=True),
        cache=CacheSettings(dir=tmp_path / "cache"),
        matting=MattingSettings(engine="inspyrenet", models_dir=tmp_path),
    )
    services = build_services(settings, {"HOME": str(tmp_path)})
    made = await services.cutouts(CutoutRequest(PHOTO))
    assert (made.engine, made.degradation_reason) == ("builtin", "missing_weights")
    await services.aclose()


# ------------------------------------------------------------------------------------------------ the command
OUTAGE = {"PERKIE_MATTING_REMOTE_URL": "http://127.0.0.1:9"}


def test_the_command_goes_on_with_a_remark(perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, cat: Path) -> None:
    for name, value in OUTAGE.items():
        monkeypatch.setenv(name, value)
    done = perkie_here("remove-bg", cat, "--json")
    row = json.loads(done.stdout)["results"][0]
    assert done.returncode == 0
    assert (row["engine"], row["degraded"], row["status"]) == ("builtin", True, "degraded")
    assert row["degradation_reason"]
    monkeypatch.delenv("PERKIE_MATTING_REMOTE_URL")
    again = json.loads(perkie_here("remove-bg", cat, "--json", "--engine", "builtin").stdout)["results"][0]
    assert (again["status"], again["degraded"]) == ("cached", False)  # done again: the first was a substitute


def test_the_command_refuses_where_no_fallback_is_allowed(
    perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, cat: Path
) -> None:
    for name, value in OUTAGE.items():
        monkeypatch.setenv(name, value)
    assert perkie_here("remove-bg", cat, "--fallback", "none").returncode == 5
    assert not cat.with_name("cat_cutout.png").exists()
    assert perkie_here("remove-bg", cat, "--fallback", "gemini").returncode == 3


def test_a_batch_is_not_filled_with_substitutes(
    perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, cat: Path
) -> None:
    for name, value in OUTAGE.items():
        monkeypatch.setenv(name, value)
    other = cat.with_name("other.png")
    other.write_bytes(cat.read_bytes())
    assert perkie_here("remove-bg", cat, other).returncode == 5
    assert perkie_here("remove-bg", cat, other, "--fallback", "builtin").returncode == 0


# ------------------------------------------------------------------------------------------------ over HTTP
def test_a_server_labels_the_substitute_and_refuses_it_on_request(tmp_path: Path) -> None:
    with perkie_serve(tmp_path, env=OUTAGE) as server, httpx.Client(base_url=server.url, timeout=120) as client:
        sent: dict[str, Any] = {"content": CAT.read_bytes(), "headers": {"Content-Type": "image/png"}}
        made = client.post("/remove-background", **sent)
        refused = client.post("/remove-background", params={"fallback": "none"}, **sent)
        wrong = client.post("/remove-background", params={"fallback": "gemini"}, **sent)
    assert (made.status_code, made.headers["x-perkie-engine"]) == (200, "builtin")
    assert made.headers["x-perkie-degraded"] == "true"
    assert made.headers["x-perkie-degradation-reason"]
    assert "127.0.0.1:9" not in made.headers.get("x-perkie-warnings", "")  # where it is, is ours to know
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert wrong.status_code == 422
