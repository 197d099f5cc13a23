"""``perkie cache warm``: what was uploaded lately is drawn once, before anybody asks for it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.load import load
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.imaging import codec
from tests.conftest import CAT, ROOT, Perkie, counts
from tests.e2e.test_stylize_gemini import Emulator, emulating

ANN, BOB = Owner.customer("ann"), Owner.session("bob")


def upload(*owners: Owner, number: int = 0) -> str:
    """Stores a photo as the server does; its hash."""

    async def work() -> str:
        services = build_services(load().settings)
        photo = codec.photo(CAT.read_bytes() + bytes([number]), services.limits)
        for owner in owners:
            await services.originals.keep(owner, photo)
        await services.aclose()
        return photo.hash

    return asyncio.run(work())


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERKIE_STYLE_SIZE", "256")


def test_who_got_substitutes_is_listed_and_redrawn_as_the_widget_asks_for_them(
    perkie_here: Perkie, cat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERKIE_MATTING_ENGINE", "builtin")
    gemini = {"GEMINI_API_KEY": "k", "PERKIE_STYLE_ENGINE": "gemini", "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}
    draw = ("stylize", str(cat), "-s", "ink_wash", "--remove-bg", "--customer", "ann", "--force", "--json")
    upload(ANN)
    cat.write_bytes(CAT.read_bytes() + bytes([0]))
    assert json.loads(perkie_here(*draw, env=gemini).stdout)["results"][0]["engine"] == "local"
    assert perkie_here(*draw[:4], "--engine", "local", "--customer", "bob", "--force").returncode == 0, "asked for"
    listed = perkie_here("cache", "inspect", "--degraded", "--since", "1h", "--prefix", "generated/")
    (line,) = listed.stdout.splitlines()
    assert "generated/customers/ann/" in line
    assert perkie_here("cache", "inspect", "--degraded", "--since", "2099-01-01").stdout == ""
    warm = ("cache", "warm", "--since", "1h", "-s", "ink_wash", "--remove-bg")
    assert perkie_here(*warm, "--via", "batch-api", env=gemini).returncode == 2
    with emulating("--picture", "tiny") as emulator:
        env = {**gemini, "GOOGLE_GEMINI_BASE_URL": emulator.url}
        assert perkie_here(*warm, env=env).stdout.startswith("warm: 1 drawn, 0 fresh")
        (asked,) = json.loads(perkie_here(*draw, env=env).stdout)["results"]
    assert (asked["engine"], asked["degraded"], asked["cache_hit"]) == ("gemini", False, True)
    assert asked["quota"]["used"] == 0


def test_recent_uploads_are_drawn_once_and_found_by_whoever_asks(perkie_here: Perkie, cat: Path) -> None:
    upload(ANN)
    planned = json.loads(perkie_here("cache", "warm", "-s", "bw_fine_art", "--dry-run", "--json").stdout)
    assert counts(planned["summary"]) == {"total": 1, "planned": 1}
    first = perkie_here("cache", "warm", "-s", "bw_fine_art")
    assert first.stdout.startswith("warm: 1 drawn, 0 fresh, $0.00, ")
    assert first.stdout.count("\n") == 1
    again = json.loads(perkie_here("cache", "warm", "-s", "bw_fine_art", "--json").stdout)
    assert counts(again["summary"]) == {"total": 1, "skipped": 1}
    cat.write_bytes(CAT.read_bytes() + bytes([0]))
    asked = json.loads(perkie_here("stylize", str(cat), "-s", "bw_fine_art", "--json").stdout)
    assert asked["results"][0]["cache"] == "shared"
    runs = json.loads(perkie_here("report", "list", "--json").stdout)["results"]
    assert [run["counts"] for run in runs if run["words"][:2] == ["cache", "warm"]] == [{"done": 1}]
    assert [run["counts"] for run in runs if "--json" in run["words"]][-1] == {"skipped": 1}


def test_which_uploads_come_first_and_how_many(perkie_here: Perkie) -> None:
    often = upload(ANN, BOB, number=1)
    time.sleep(0.01)
    newest = upload(ANONYMOUS, number=2)

    def planned(*options: str) -> list[str]:
        done = perkie_here("cache", "warm", "-s", "bw_fine_art", "--dry-run", "--json", *options)
        return [Path(row["input"]).stem for row in json.loads(done.stdout)["results"]]

    assert planned() == [newest, often]
    assert planned("--by", "uploads") == [often, newest]
    assert planned("--limit", "1") == [newest]
    assert planned("--since", "1ms") == []
    assert sorted(planned("--shard", "0/2") + planned("--shard", "1/2")) == sorted([newest, often])
    assert perkie_here("cache", "warm", "--since", "soon").returncode == 3


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny") as running:
        yield running


def test_two_warmers_at_once_pay_once_and_a_budget_holds(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, perkie_here: Perkie, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.url)
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    for number in range(3):
        upload(ANN, number=number)
    emulator.plan({"kind": "slow", "seconds": 8})
    command = [sys.executable, "-m", "perkie_cli", "cache", "warm", "-s", "ink_wash", "-j", "3"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True)
    while emulator.calls < 3:
        time.sleep(0.05)
    second = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert (second.returncode, second.stdout.startswith("another warmer runs since 20")) == (0, True), second.stderr
    waited = subprocess.run(
        [*command, "--wait"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert waited.stdout.startswith("warm: 0 drawn, 3 fresh"), waited.stderr
    assert first.communicate(timeout=100)[0].startswith("warm: 3 drawn, 0 fresh, $0.10")
    assert emulator.calls == 3
    over = perkie_here("cache", "warm", "-s", "van_gogh", "--budget", "0.05")
    assert (over.returncode, emulator.calls) == (7, 4)
    assert "1 drawn, 0 fresh, 2 failed" in over.stdout


@pytest.fixture
def gemini(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    emulator.plan()
    emulator.call("POST", "reset")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.url)
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    return emulator


def test_orders_of_the_batch_api_are_shown_left_by_online_runs_and_collected(
    gemini: Emulator, perkie_here: Perkie
) -> None:
    upload(ANN, BOB)
    assert perkie_here("cache", "warm", "--status").stdout.splitlines()[0] == "nothing is on order"
    ordering = ("cache", "warm", "-s", "ink_wash", "--via", "batch-api")
    assert perkie_here(*ordering).stdout.startswith("warm: 0 drawn, 0 fresh, 1 on order for about $0.0178, $0.00, ")
    shown = json.loads(perkie_here("cache", "warm", "--status", "--json").stdout)
    (order,) = shown["results"]
    assert (order["pictures"], order["usd"], order["model"]) == (1, 0.01785, "gemini-nano-banana-2.1")
    assert shown["summary"]["last_counts"] == {"ordered": 1}
    told = perkie_here("cache", "warm", "--status").stdout
    assert re.match(
        r"perkie-\S+: 1 pictures? for about \$0\.0178, ordered \S+ \S+ UTC \(.+ ago\), \w+\nlast run: ", told
    )
    online = perkie_here("cache", "warm", "-s", "ink_wash")
    assert "1 is on order" in online.stderr
    assert online.stdout.startswith("warm: 0 drawn, 0 fresh, $0.00")
    while json.loads(perkie_here("cache", "warm", "--status", "--json").stdout)["results"][0]["state"] != "succeeded":
        time.sleep(0.05)
    collected = json.loads(perkie_here(*ordering, "--json").stdout)
    (row,) = collected["results"]
    assert (row["status"], row["via"], row["engine"]) == ("done", "batch-api", "gemini")
    assert 0.016 < collected["summary"]["cost_usd"] < 0.019
    assert gemini.calls == 1
    assert perkie_here("cache", "warm", "--status").stdout.splitlines()[0] == "nothing is on order"


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_waits_leaves_its_order_to_the_next_one(
    gemini: Emulator, perkie_here: Perkie, tmp_path: Path
) -> None:
    upload(ANN)
    gemini.plan({"kind": "batch_stuck"})
    command = [sys.executable, "-m", "perkie_cli", "cache", "warm", "-s", "ink_wash", "--via", "batch-api", "--wait"]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as waiting:
        while gemini.calls < 1:
            time.sleep(0.05)
        time.sleep(1)
        waiting.kill()
    gemini.plan()
    done = perkie_here("cache", "warm", "-s", "ink_wash", "--via", "batch-api", "--wait")
    assert done.stdout.startswith("warm: 1 drawn, 0 fresh"), done.stderr
    assert gemini.calls == 1


def test_what_batches_cannot_be_used_for(monkeypatch: pytest.MonkeyPatch, perkie_here: Perkie) -> None:
    here = perkie_here("cache", "warm", "--via", "batch-api")
    assert here.returncode == 2
    assert "draw on this machine" in here.stderr
    assert perkie_here("cache", "warm", "--via", "post").returncode == 2
    assert "one run orders for all" in perkie_here("cache", "warm", "--via", "batch-api", "--shard", "0/2").stderr
    assert perkie_here("cache", "warm", "--give-up-after", "soon").returncode == 3
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    upload(ANN)
    vertex = perkie_here("cache", "warm", "-s", "ink_wash", "--via", "batch-api")
    assert "Vertex AI is another one" in vertex.stderr
    assert vertex.returncode == 2
