"""`perkie load-test` as a process: exit codes, reports, interrupts, and a server of its own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import junitparser
import pytest

from tests.conftest import ROOT, Perkie
from tests.scripted_server import Behaviour, Handler, answers, scripted

SCENARIO = """\
title = "A test"
warm_up = "200ms"
{more}
[[phase]]
name = "steady"
rate = {rate}
duration = "{seconds}s"

[[request]]
name = "root"
path = "/"
timeout = "5s"

[[threshold]]
rule = "{rule}"
request = "root"
"""


def write(path: Path, rule: str = "p95<2s", rate: float = 30, seconds: float = 1.5, more: str = "") -> Path:
    path.write_text(SCENARIO.format(rule=rule, rate=rate, seconds=seconds, more=more))
    return path


def after(seconds: float, then: Behaviour) -> Behaviour:
    def behave(handler: Handler, body: bytes) -> None:
        time.sleep(seconds)
        then(handler, body)

    return behave


def children() -> set[str]:
    """Command lines of every perkie process that an earlier one started."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"perkie_cli" in words and (b"emulate" in words or b"serve" in words):
            home = next((item for item in (entry / "environ").read_bytes().split(b"\0") if item[:5] == b"HOME="), b"")
            if b"perkie-load-" in home:
                found.add(f"{entry.name} {b' '.join(words).decode()}")
    return found


def test_a_run_that_holds_its_thresholds_ends_well_and_writes_every_report(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml")
    names = ["run.json", "run.html", "run.md", "run.xml"]
    flags = [word for name in names for word in ("--report", name)]
    with scripted(answers(body=b"ok")) as server:
        more = ("--samples", "rows.csv", "--summary", "sum.md", "--seed", "7")
        done = perkie("load-test", "run", "own.toml", "--target", server.url, *flags, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("passed: all 1 thresholds hold")
    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["status"], report["complete"], report["scenario"]["seed"]) == ("passed", True, 7)
    assert report["total"]["meant"] + report["warm_up"]["meant"] == 45
    assert report["seconds"] == 1.5
    assert report["total"]["rate"] == pytest.approx(30, rel=0.03)
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "run.xml")).failures == 0
    assert (tmp_path / "sum.md").read_text() == (tmp_path / "run.md").read_text()
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert len(rows) == 45
    assert [float(row["intended"]) for row in rows] == pytest.approx([at / 30 for at in range(45)], abs=1e-5)
    assert {row["outcome"] for row in rows} == {"ok"}
    assert sum(row["warm_up"] == "1" for row in rows) == report["warm_up"]["meant"]
    assert not list(tmp_path.glob("*.part"))


def test_a_slow_server_fails_its_threshold_and_is_no_invalid_run(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml", rule="p95<500ms", rate=10)
    with scripted(after(0.8, answers(body=b"ok"))) as server:
        done = perkie("load-test", "run", "own.toml", "--target", server.url, "--json")
    assert done.returncode == 99, done.stdout
    envelope = json.loads(done.stdout)
    assert envelope["error"]["code"] == "thresholds_failed"
    assert "p95<500ms of root" in envelope["error"]["message"]
    (row,) = envelope["results"]
    assert row["status"] == "failed"
    assert 0.7 < row["total"]["latency"]["p50"] < 2


def test_a_cap_of_our_own_makes_the_run_invalid(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml", rule="p95<4s", more="max_in_flight = 3\n")
    with scripted(after(1.0, answers(body=b"ok"))) as server:
        done = perkie("load-test", "run", "own.toml", "--target", server.url, "--report", "run.xml")
    assert done.returncode == 98, done.stdout + done.stderr
    assert "requests were not sent: only 3 may be in flight" in done.stderr
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "run.xml")).errors == 1


def test_errors_are_shown_with_a_sample_and_an_abort_ends_the_run_early(perkie: Perkie, tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", rule="error_rate<1%", seconds=60)
    path.write_text(path.read_text() + 'abort_on_fail = true\nafter = "1s"\n')
    began = time.monotonic()
    with scripted(answers(500, b"what a pity")) as server:
        done = perkie("load-test", "run", "own.toml", "--target", server.url, "--report", "run.json")
    assert done.returncode == 99, done.stdout + done.stderr
    assert time.monotonic() - began < 40
    assert "× status 500 (root): what a pity" in done.stdout
    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["ending"], report["complete"], report["status"]) == ("aborted", False, "failed")


@contextmanager
def started(tmp_path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "perkie_cli", "load-test", "run", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_with_a_report_of_what_ran(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path / "own.toml", seconds=60)
    with (
        scripted(answers(body=b"ok")) as server,
        started(tmp_path, "own.toml", "--target", server.url, "--report", "run.json") as process,
    ):
        until = time.monotonic() + 60
        while len(server.requests) < 60:
            assert time.monotonic() < until
            time.sleep(0.05)
        for _ in range(3):
            os.killpg(process.pid, number)  # as a terminal does: the whole group
            time.sleep(0.01)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (130, -number), errors  # the last one may meet a process that has ended its work
        before = len(server.requests)
        time.sleep(0.3)
        assert len(server.requests) == before, "nothing is sent any more"
    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["status"], report["complete"]) == ("interrupted", False)
    assert 0 < report["total"]["ok"] < 1800
    assert "Traceback" not in errors


def test_a_kill_of_the_command_ends_its_generators(tmp_path: Path) -> None:
    write(tmp_path / "own.toml", seconds=60)
    with scripted(answers(body=b"ok")) as server, started(tmp_path, "own.toml", "--target", server.url) as process:
        until = time.monotonic() + 60
        while len(server.requests) < 30:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
        process.wait()
        time.sleep(1.0)
        before = len(server.requests)
        time.sleep(0.5)
        assert len(server.requests) == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("run", "steady"), 2, "what is to be tested?"),
        (("run", "steady", "--self", "--target", "http://127.0.0.1:1"), 2, "what is to be tested?"),
        (("run", "steady", "--target", "http://192.0.2.1"), 2, "is not on this machine"),
        (("run", "steady", "--target", "http://localhost.example.com"), 2, "is not on this machine"),
        (("run", "steady", "--target", "http://127.0.0.1:1"), 2, "may spend real money"),
        (("run", "steady", "--target", "ftp://127.0.0.1"), 3, "is not an address"),
        (("run", "steady", "--target", "http://127.0.0.1:99999"), 3, "is not an address"),
        (("run", "steady", "--target", "http://u:p@127.0.0.1"), 3, "has no credentials"),
        (("run", "cold_start", "--target", "http://127.0.0.1:1", "--max-usd", "0"), 2, "needs --self"),
        (("run", "steady", "--self", "--rate", "0"), 3, "--rate must be above 0"),
        (("run", "steady", "--self", "--rate", "nan"), 3, "--rate must be above 0"),
        (("run", "steady", "--self", "--duration", "soon"), 3, "--duration"),
        (("run", "steady", "--self", "--report", "run.pdf"), 2, "a report is .json"),
        (("run", "steady", "--self", "--report", "no/such/run.json"), 3, "there is no folder"),
        (("run", "steady", "--self", "-H", "nonsense"), 3, "-H takes a header"),
        (("run", "steady", "--self", "-H", "A: b\nC: d"), 3, "-H takes a header"),
        (("run", "steady", "--self", "-H", "Content-Length: 3"), 3, "is set by the load test itself"),
        (("run", "steady", "--self", "-H", "A B: 3"), 3, "is not a header's name"),
        (("run", "steady", "--self", "--samples", "/"), 3, "is a folder"),
        (("run", "steadi", "--self"), 3, "there is no scenario 'steadi'"),
        (("compare", "a.json", "b.json", "c.json"), 2, "which of these are side B?"),
        (("compare", "a.json", "b.json"), 3, "a.json cannot be read"),
    ],
)
def test_what_must_not_start_is_refused_in_a_sentence(
    perkie_here: Perkie, words: tuple[str, ...], code: int, message: str
) -> None:
    done = perkie_here("load-test", *words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_scenario_is_told_with_line_and_field_and_nothing_is_sent(perkie: Perkie, tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml")
    path.write_text(path.read_text().replace("rate", "rat"))
    with scripted(answers()) as server:
        done = perkie("load-test", "run", "own.toml", "--target", server.url)
        assert server.requests == []
    assert done.returncode == 3
    assert "own.toml, line 6: phase[1].rat is not known here" in done.stderr
    assert "Did you mean 'rate'?" in done.stderr


def test_a_target_that_is_down_says_so(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml")
    done = perkie("load-test", "run", "own.toml", "--target", "http://127.0.0.1:9", "--report", "run.md")
    assert done.returncode == 99
    assert "no connection: Connection refused" in done.stdout
    filling = perkie("load-test", "run", "cached", "--target", "http://127.0.0.1:9", "--max-usd", "0")
    assert filling.returncode == 5
    assert "could not be filled before the start: generate: no connection" in filling.stderr


def test_a_run_ends_when_its_money_is_spent(perkie: Perkie, tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", seconds=60)
    path.write_text(path.read_text().replace('path = "/"', 'path = "/"\nmethod = "POST"\njson = { a = 1 }'))
    paid = answers(200, b'{"cache_hit":false,"cost_usd":0.05}', content_type="application/json")
    with scripted(paid) as server:
        done = perkie(
            *("load-test", "run", "own.toml", "--target", server.url, "--max-usd", "0.5", "--report", "run.json")
        )
    assert done.returncode == 7, done.stderr
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["ending"] == "budget"
    assert 0.5 < report["total"]["cost_usd"] + report["warm_up"]["cost_usd"] < 5


def limited(limit: str, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command under a limit of the shell's."""
    command = [sys.executable, "-m", "perkie_cli", "load-test", "run", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    limiting = ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", *command]
    return subprocess.run(limiting, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)


def test_files_that_cannot_grow_cost_a_report_and_not_what_was_measured(tmp_path: Path) -> None:
    write(tmp_path / "own.toml")
    with scripted(answers(body=b"ok")) as server:
        more = ("--samples", "rows.csv", "--report", "run.json")
        done = limited("-f 2", tmp_path, "own.toml", "--target", server.url, *more)  # KiB
    assert done.returncode == 3, done.stderr
    assert "passed: all 1 thresholds hold" in done.stdout
    assert "run.json cannot be written: File too large" in done.stderr
    assert "not all samples could be written: File too large" in done.stderr
    assert not (tmp_path / "run.json").exists(), "a report is whole or not there"
    assert not list(tmp_path.glob(".run*"))


def test_files_that_run_out_are_the_generator_s_limit_and_no_error_of_the_server(tmp_path: Path) -> None:
    write(tmp_path / "own.toml", rule="error_rate<1%", rate=60, seconds=2, more="max_in_flight = 500\n")
    with scripted(after(3.0, answers(body=b"ok"))) as server:
        done = limited("-n 60", tmp_path, "own.toml", "--target", server.url)
    assert done.returncode == 98, done.stdout + done.stderr
    assert "connections could not be opened by this machine" in done.stderr


def test_headers_are_sent_and_appear_in_no_report(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml")
    secret = "Canary4711"
    with scripted(answers(body=b"ok")) as server:
        done = perkie(
            *("load-test", "run", "own.toml", "--target", server.url, "-H", f"X-API-Key: {secret}"),
            *("--report", "run.json", "--report", "run.html", "--json"),
        )
        assert {headers["x-api-key"] for _, headers, _ in server.requests} == {secret}
    assert done.returncode == 0
    for text in (done.stdout, done.stderr, *((tmp_path / name).read_text() for name in ("run.json", "run.html"))):
        assert secret not in text


def test_the_shipped_scenarios_are_listed_and_shown_to_be_copied(perkie_here: Perkie, tmp_path: Path) -> None:
    listed = json.loads(perkie_here("load-test", "list", "--json").stdout)["results"]
    assert {"steady", "burst", "mixed"} <= {row["name"] for row in listed}
    shown = perkie_here("load-test", "show", "steady").stdout
    (tmp_path / "mine.toml").write_text(shown)
    again = json.loads(perkie_here("load-test", "show", "mine.toml", "--json").stdout)["results"]
    assert again == [{"name": "mine.toml", "toml": shown}]


def test_without_its_extra_it_says_what_to_install_and_still_lists(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        code = (
            "import sys; sys.modules.update(hdrh=None, httptools=None, uvloop=None)\n"
            f"from perkie_cli.cli.main import main; main({list(words)!r})"
        )
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)

    done = run("load-test", "run", "smoke", "--self")
    assert done.returncode == 9
    assert "pip install 'perkie-cli[loadtest]'" in done.stderr
    assert run("load-test", "list").returncode == 0
    assert run("load-test", "show", "steady").returncode == 0


def report_file(path: Path, p95: float) -> Path:
    latency = {"p50": 0.01, "p95": p95, "p99": 0.2}
    table: dict[str, Any] = {
        **{"schema": "perkie-load/1", "status": "passed", "scenario": {"name": "x"}},
        "total": {"latency": latency, "error_rate": 0.0, "rate": 10.0},
    }
    path.write_text(json.dumps(table))
    return path


def test_compare_tells_a_regression_from_noise_and_says_when_it_cannot(perkie_here: Perkie, tmp_path: Path) -> None:
    a = [report_file(tmp_path / f"a{n}.json", 0.100 + n / 1000) for n in range(5)]
    b = [report_file(tmp_path / f"b{n}.json", 0.150 + n / 1000) for n in range(5)]
    flags = [word for file in b for word in ("-b", str(file))]
    worse = perkie_here("load-test", "compare", *a, *flags)
    assert worse.returncode == 99
    assert "B is worse than A: p95 × 1.49" in worse.stderr
    back = [word for file in a for word in ("-b", str(file))]
    assert perkie_here("load-test", "compare", *b, *back).returncode == 0
    two = perkie_here("load-test", "compare", a[0], b[0])
    assert two.returncode == 0
    assert "1 and 1 runs are too few to judge" in two.stdout
    assert "× 1.5" in two.stdout


@pytest.mark.slow
def test_two_servers_are_tested_in_turns_and_the_slower_one_is_found(perkie: Perkie, tmp_path: Path) -> None:
    write(tmp_path / "own.toml", seconds=1.2)
    with scripted(answers(body=b"ok")) as quick, scripted(after(0.1, answers(body=b"ok"))) as slow:
        done = perkie(
            *("load-test", "run", "own.toml", "--target", quick.url, "--against", slow.url, "--repeat", "5", "--json"),
            *("--report", "run.json"),
        )
    envelope = json.loads(done.stdout)
    assert done.returncode == 99, envelope
    assert "B is worse than A: p50" in envelope["error"]["message"]
    targets = [row["target"] for row in envelope["results"] if "target" in row]
    assert targets == [quick.url, slow.url] * 5
    assert len({row["seed"] for row in envelope["results"] if "seed" in row}) == 10
    assert len(list(tmp_path.glob("run-*.json"))) == 10


def test_with_self_it_starts_everything_and_leaves_nothing_behind(perkie: Perkie, tmp_path: Path) -> None:
    done = perkie("load-test", "run", "smoke", "--self", "--duration", "5s", "--report", "run.json")
    assert done.returncode in (0, 98, 99), done.stdout + done.stderr  # a starved machine is no good generator
    report = json.loads((tmp_path / "run.json").read_text())
    assert report["total"]["error"] == report["total"]["timeout"] == 0, report["errors"]
    assert report["requests"]["generate"]["hit_rate"] is not None
    assert children() == set()


def test_an_interrupt_with_self_leaves_no_emulator_behind(tmp_path: Path) -> None:
    with started(tmp_path, "smoke", "--self") as process:
        until = time.monotonic() + 90
        while sum("emulate" in each for each in children()) < 3:
            assert time.monotonic() < until
            time.sleep(0.1)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.05)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), errors
    assert children() == set()
