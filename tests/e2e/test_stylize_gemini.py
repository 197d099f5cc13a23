"""``perkie emulate gemini`` and ``perkie stylize`` against it, each as a process: exit codes, labels, no key shown."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, Perkie, counts

CANARY = "canary-AIza-5e0c77d19b"
# A model that is gone whatever day it is.
GONE = """
[[model]]
id = "gone"
usd_per_million = { image = "1", text = "1", input = "1" }
image_tokens = { 1K = 1000 }
input_tokens = 1
reference_side = 1024
retires = 2020-01-31
successor = "gemini-nano-banana-2.1"
"""


@dataclass
class Emulator:
    url: str

    def call(self, method: str, path: str, body: object = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_emulator/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def plan(self, *faults: dict[str, object]) -> None:
        self.call("PUT", "plan", {"fault": faults})

    @property
    def calls(self) -> int:
        state = self.call("GET", "state")
        assert isinstance(state, dict)
        return int(state["calls"])


@contextlib.contextmanager
def emulating(*options: str | Path) -> Iterator[Emulator]:
    command = [sys.executable, "-m", "perkie_cli", "emulate", "gemini", "--port", "0", *map(str, options)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        try:
            assert process.stdout is not None
            yield Emulator(process.stdout.readline().strip())
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny", "--api-key", "good") as running:
        yield running


@pytest.fixture
def env(emulator: Emulator, home: Path) -> dict[str, str]:
    (home / "config" / "perkie").mkdir(parents=True)
    (home / "config" / "perkie" / "models.toml").write_text(GONE)
    emulator.call("DELETE", "plan")
    emulator.call("POST", "reset")
    return {"GOOGLE_GEMINI_BASE_URL": emulator.url, "GEMINI_API_KEY": "good"}


def result(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.stdout.count("\n") == 1, done.stdout
    (only,) = json.loads(done.stdout)["results"]
    assert isinstance(only, dict)
    return only


def test_a_picture_by_gemini_says_what_it_took(perkie: Perkie, cat: Path, env: dict[str, str]) -> None:
    made = result(perkie("stylize", "cat.png", "-s", "ink_wash", "--json", env=env))
    expected = {"status": "done", "engine": "gemini", "model": "gemini-nano-banana-2.1", "attempts": 1}
    assert expected.items() <= made.items()
    assert made["degraded"] is False
    assert 0.0336 < float(str(made["cost_usd"])) < 0.036
    with Image.open(cat.with_name("cat_ink_wash.jpg")) as picture:
        assert max(picture.size) == 1024
    assert result(perkie("stylize", "cat.png", "-s", "ink_wash", "-o", "b.jpg", "--json", env=env))["cache"] == "hit"


def test_an_outage_still_gives_a_picture_and_the_next_run_tries_again(
    perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    emulator.plan({"kind": "error", "status": 404})
    made = result(perkie_here("stylize", "cat.png", "-s", "bw_fine_art", "--json", env=env))
    assert (made["engine"], made["degraded"], made["degradation_reason"]) == ("local", True, "model_gone")
    assert made["warnings"]
    told = perkie_here("stylize", "cat.png", "-s", "bw_fine_art", env=env)
    assert "degraded" in told.stderr
    emulator.call("DELETE", "plan")
    back = result(perkie_here("stylize", "cat.png", "-s", "bw_fine_art", "--json", env=env))
    assert (back["engine"], back["status"]) == ("gemini", "done")


@pytest.mark.parametrize(
    ("args", "more", "code", "told", "calls"),
    [
        (["--engine", "gemini"], {"GEMINI_API_KEY": ""}, 4, "GEMINI_API_KEY", 0),
        (["--model", "gone"], {}, 3, "gemini-nano-banana-2.1", 0),
        (["--model", "nano"], {}, 3, "perkie models list", 0),
        (["--budget", "0.03"], {}, 7, "--budget", 0),
        (["--fallback", "none"], {"PERKIE_GEMINI_DAILY_CAP_USD": "0.01"}, 7, "next day", 0),
        (["--fallback", "maybe"], {}, 3, "--fallback", 0),
        (["--size", "100"], {}, 3, "256", 0),
        (["--fallback", "none"], {}, 3, "perkie models check", 1),
        (["--deadline", "2", "--fallback", "none"], {}, 5, "within", 1),
    ],
    ids=["no-key", "retired", "unknown", "budget", "cap", "fallback", "size", "model-gone", "deadline"],
)
def test_exit_codes(
    perkie_here: Perkie,
    cat: Path,
    env: dict[str, str],
    emulator: Emulator,
    args: list[str],
    more: dict[str, str],
    code: int,
    told: str,
    calls: int,
) -> None:
    emulator.plan({"kind": "hang"} if "--deadline" in args else {"kind": "error", "status": 404})
    done = perkie_here("stylize", "cat.png", "-s", "ink_wash", *args, env={**env, **more})
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert emulator.calls == calls or "--deadline" in args, "loading the SDK may take all of that time"
    assert not cat.with_name("cat_ink_wash.jpg").exists()


def test_verbose_tells_of_each_attempt(perkie: Perkie, cat: Path, env: dict[str, str], emulator: Emulator) -> None:
    emulator.plan({"kind": "overloaded", "retry_after": 0.1, "calls": [1]})
    done = perkie("stylize", "cat.png", "-s", "ink_wash", "-v", env=env)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("gemini: ")]
    assert re.match(r"gemini: attempt 1 after .+: upstream_overloaded$", lines[0])
    assert lines[1].startswith("gemini: next attempt in 100 ms: gemini is over its quota")
    assert re.match(r"gemini: attempt 2 after .+: ok$", lines[2])


def test_when_to_try_again_is_told(perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator) -> None:
    emulator.plan({"kind": "overloaded", "retry_after": 90})
    done = perkie_here("stylize", "cat.png", "-s", "ink_wash", "--fallback", "none", env=env)
    assert (done.returncode, "Try again in 90 s." in done.stderr) == (5, True)


def test_a_reason_of_tomorrow_prints_no_warning(
    perkie: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    emulator.plan({"kind": "blocked", "how": "prompt", "reason": "A_REASON_OF_TOMORROW"})
    done = perkie("stylize", "cat.png", "-s", "ink_wash", "--fallback", "none", env=env)
    assert done.returncode == 3
    assert "A_REASON_OF_TOMORROW" in done.stderr
    assert "UserWarning" not in done.stderr


def test_estimate_spends_nothing(perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator) -> None:
    done = perkie_here("stylize", "cat.png", "-s", "all", "--size", "2k", "--estimate", "--json", env=env)
    body = json.loads(done.stdout)
    assert body["summary"] == {"pictures": 3, "to_draw": 3, "usd": 0.1575, "usd_spent_today": 0.0}
    assert emulator.calls == 0
    free = json.loads(perkie_here("stylize", "cat.png", "-s", "all", "--estimate", "--json").stdout)
    assert free["summary"]["usd"] == 0


def test_the_models_and_whether_they_live(perkie_here: Perkie, env: dict[str, str]) -> None:
    shown = perkie_here("models", "list", env=env)
    assert "gemini-nano-banana-2.1" in shown.stdout
    assert "2020-01-31" in shown.stdout
    fine = perkie_here("models", "check", "--json", env=env)
    states = {row["model"]: row["state"] for row in json.loads(fine.stdout)["results"]}
    assert fine.returncode == 0
    assert states["gemini-nano-banana-2.1"] == "lives, in use"
    assert states["gone"] == "shut down"
    gone = perkie_here("models", "check", env={**env, "PERKIE_GEMINI_MODEL": "gone"})
    assert gone.returncode == 8
    assert "gemini-nano-banana-2.1" in gone.stderr
    assert perkie_here("models", "check", env={**env, "GEMINI_API_KEY": "bad"}).returncode == 4


def test_a_budget_holds_for_the_whole_run(
    perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    done = perkie_here("stylize", "cat.png", "-s", "all", "--budget", "0.08", "--json", env=env)
    body = json.loads(done.stdout)
    assert (done.returncode, body["error"]["code"]) == (7, "budget_exceeded"), "money alone stopped it"
    assert counts(body["summary"]) == {"total": 3, "done": 2, "failed": 1, "failed_by_limit": 1}
    assert emulator.calls == 2


def several(cat: Path) -> list[str]:
    names = [f"pet{number}.png" for number in range(4)]
    for name in names:
        cat.with_name(name).write_bytes(cat.read_bytes() + name.encode())
    return names


def test_a_dead_key_ends_a_batch_at_once(
    perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    emulator.plan({"kind": "error", "status": 403})
    done = perkie_here("stylize", *several(cat), "-s", "ink_wash", "--json", env=env)
    body = json.loads(done.stdout)
    assert (done.returncode, counts(body["summary"]), emulator.calls) == (4, {"total": 4, "failed": 4}, 1)
    assert {row["error"]["code"] for row in body["results"]} == {"wrong_credentials"}
    assert body["warnings"] == ["3 more were not tried: they would fail the same way"]


def test_a_spent_cap_ends_a_batch_and_says_until_when(
    perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    capped = {**env, "PERKIE_GEMINI_DAILY_CAP_USD": "0.04"}
    done = perkie_here("stylize", *several(cat), "-s", "ink_wash", env=capped)
    assert (done.returncode, emulator.calls) == (7, 1)
    assert "next day (UTC)" in done.stderr
    assert "2 more were not tried" in done.stderr


def test_a_batch_waits_for_a_full_minute(perkie: Perkie, cat: Path, env: dict[str, str], emulator: Emulator) -> None:
    emulator.plan({"kind": "overloaded", "retry_after": 1, "calls": [1, 2, 3, 5, 6]})
    done = perkie("stylize", *several(cat), "-s", "ink_wash", "--json", env=env)
    body = json.loads(done.stdout)
    assert (done.returncode, counts(body["summary"])) == (0, {"total": 4, "done": 4})
    assert emulator.calls == 9


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"GEMINI_API_KEY": "AI\nza"}, "gemini.api_key"),
        ({"GOOGLE_GEMINI_BASE_URL": "localhost:8081"}, "gemini.base_url"),
        ({"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:99999"}, "gemini.base_url"),
        ({"HTTPS_PROXY": "http://h:abc"}, "HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/no/such/file"}, "SSL_CERT_FILE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    perkie_here: Perkie, cat: Path, env: dict[str, str], more: dict[str, str], told: str
) -> None:
    done = perkie_here("stylize", "cat.png", "-s", "ink_wash", env={**env, **more})
    assert (done.returncode, told in done.stderr) == (3, True), done.stderr


def test_of_two_keys_the_one_that_is_used_is_told(perkie_here: Perkie, cat: Path, env: dict[str, str]) -> None:
    both = {**env, "GOOGLE_API_KEY": env["GEMINI_API_KEY"], "GEMINI_API_KEY": "another"}
    done = perkie_here("stylize", "cat.png", "-s", "ink_wash", "--json", env=both)
    assert json.loads(done.stdout)["warnings"] == [
        "both GOOGLE_API_KEY and GEMINI_API_KEY are set; GOOGLE_API_KEY is used"
    ]


@pytest.mark.parametrize("flag", ["-v", "--json"])
def test_a_wrong_key_is_told_and_never_shown(perkie: Perkie, cat: Path, env: dict[str, str], flag: str) -> None:
    """The API repeats a refused key in its answer, as Google's does."""
    spoilt = {**env, "GEMINI_API_KEY": CANARY, "PYTHONASYNCIODEBUG": "1"}
    refused = perkie("stylize", "cat.png", "-s", "ink_wash", flag, env=spoilt)
    assert refused.returncode == 4
    assert "GEMINI_API_KEY" in refused.stdout + refused.stderr
    shown = perkie("config", "show", flag, env=spoilt)
    assert CANARY not in refused.stdout + refused.stderr + shown.stdout + shown.stderr


@pytest.mark.parametrize("flag", [["--picture", "huge"], ["--plan", "no.toml"], ["--port", "1", "--host", "192.0.2.1"]])
def test_the_emulator_refuses_nonsense_in_a_sentence(perkie_here: Perkie, flag: list[str]) -> None:
    done = perkie_here("emulate", "gemini", *flag)
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr


def test_the_emulator_draws_the_pet_by_a_plan(perkie_here: Perkie, cat: Path) -> None:
    plan = cat.with_name("plan.toml")
    plan.write_text('[latency]\nmedian = 0.01\np95 = 0.02\n\n[[fault]]\nkind = "outage"\ncalls = [1]\n')
    with emulating("--plan", plan) as running:
        env = {"GOOGLE_GEMINI_BASE_URL": running.url, "GOOGLE_API_KEY": "any"}
        made = result(perkie_here("stylize", "cat.png", "-s", "van_gogh", "--json", env=env))
        assert (made["engine"], made["attempts"]) == ("gemini", 2)
    with Image.open(cat.with_name("cat_van_gogh_post_impressionism.jpg")) as picture:
        assert picture.size in {(1024, 682), (1024, 683)}, "3:2, rounded"


def test_the_report_tells_what_calls_cost_and_what_was_wasted(
    perkie_here: Perkie, cat: Path, env: dict[str, str], emulator: Emulator
) -> None:
    drawn = float(str(result(perkie_here("stylize", "cat.png", "-s", "ink_wash", "--json", env=env))["cost_usd"]))
    emulator.plan({"kind": "blocked", "how": "answer", "reason": "IMAGE_SAFETY"})
    result(perkie_here("stylize", "cat.png", "-s", "van_gogh", "--fallback", "none", "--json", env=env))
    told = json.loads(perkie_here("cost", "report", "--by", "style", "--json", env=env).stdout)
    rows = {row["style"]: row for row in told["results"]}
    assert list(rows) == ["ink_wash", "van_gogh_post_impressionism"]
    assert (rows["ink_wash"]["calls"], rows["ink_wash"]["pictures"]) == (1, 1)
    assert float(rows["ink_wash"]["usd"]) == pytest.approx(drawn)
    blocked = rows["van_gogh_post_impressionism"]
    assert (blocked["calls"], blocked["pictures"], blocked["usd_per_thousand"]) == (2, 0, None)  # also the safe prompt
    assert 0 < float(blocked["wasted_usd"]) == float(blocked["usd"])
    assert float(told["summary"]["usd_today"]) == pytest.approx(drawn + float(blocked["usd"]))
    text = perkie_here("cost", "report", env=env).stdout
    assert "gemini-nano-banana-2.1" in text
    assert "of the cap of $10.00" in text


def test_an_estimate_states_its_assumptions(perkie_here: Perkie, env: dict[str, str]) -> None:
    text = perkie_here("cost", "estimate", "--customers", "300", "--hit-rate", "60%", env=env).stdout
    assert "assumed: 300 photos a day, 3 styles (2 popular)" in text
    assert "60% of pictures in the cache" in text
    for typed in (["--hit-rate", "3"], ["--views", "9"], ["--customers", "-1"], ["--customers", "nan"]):
        assert perkie_here("cost", "estimate", *typed, env=env).returncode in (2, 3)
