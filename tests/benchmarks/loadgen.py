"""Requests a second of one load-test process and of two, against wrk, hey and locust's FastHttpUser.

All load the same bare server (uvloop and httptools, in a process of its own) with 50 connections, as fast as they can,
in turns. wrk and hey are packages of Debian (`apt-get install wrk hey`), locust is one of PyPI (`pip install locust`);
what is missing is left out, and told.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from perkie_cli.loadtest.load import Options, run_load
from perkie_cli.loadtest.scenario import Call, Phase, Scenario
from perkie_cli.loadtest.tally import Outcome
from tests.benchmarks.harness import Goal, Report
from tests.serving import ServerProcess

BARE = """
import asyncio, sys
import httptools, uvloop

ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 2\\r\\n\\r\\nok"

class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await server.serve_forever()

uvloop.run(main())
"""
LOCUST = """
from locust import FastHttpUser, constant, task

class User(FastHttpUser):
    wait_time = constant(0)

    @task
    def get(self):
        self.client.get("/")
"""
CONNECTIONS = 50
LOCUST_TIMES, WRK_TIMES = 4.0, 0.5


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="loadgen")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each round and tool")
    arguments = parser.parse_args(argv)
    server = ServerProcess([sys.executable, "-c", BARE], {})
    try:
        with tempfile.TemporaryDirectory() as folder:
            cases = _cases(server.url, arguments.seconds, Path(folder))
            rates: dict[str, list[float]] = {name: [] for name in cases}
            for _ in range(arguments.rounds):
                for name, case in cases.items():
                    rates[name].append(case())
    finally:
        server.process.kill()
        server.process.wait()
    return _report({name: statistics.median(found) for name, found in rates.items()})


def _cases(url: str, seconds: int, folder: Path) -> dict[str, Callable[[], float]]:
    """Requests a second of each tool that is there."""
    found: dict[str, Callable[[], float]] = {
        "perkie, one process": lambda: _ours(url, seconds, 1),
        "perkie, two processes": lambda: _ours(url, seconds, 2),
    }
    if shutil.which("wrk"):
        wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
        found["wrk, one thread"] = lambda: _told(wrk, r"Requests/sec:\s+([\d.]+)")
    if shutil.which("hey"):
        hey = ["hey", "-z", f"{seconds}s", "-c", str(CONNECTIONS), url]
        found["hey"] = lambda: _told(hey, r"Requests/sec:\s+([\d.]+)")
    if find_spec("locust"):
        file = folder / "locustfile.py"
        file.write_text(LOCUST)
        words = ["--headless", "-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "-t", f"{seconds + 2}s", "-H", url]
        locust = [sys.executable, "-m", "locust", "-f", str(file), *words]
        found["locust, FastHttpUser"] = lambda: _told(locust, r"Aggregated.*\|\s+([\d.]+)\s+0\.00\s*\n\s*\nResponse")
    return found


def _ours(url: str, seconds: int, workers: int) -> float:
    phases = (Phase("users", seconds + 1.0, users=CONNECTIONS),)
    run = run_load(Scenario("loadgen", phases, (Call("root", "/"),), warm_up=1.0), url, Options(workers=workers))
    whole = run.tally.series()
    assert whole.outcomes[Outcome.OK] == whole.answered, dict(whole.errors)
    return whole.outcomes[Outcome.OK] / run.measured


def _told(command: Sequence[str], pattern: str) -> float:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(pattern, done.stdout + done.stderr)
    assert match is not None, done.stdout + done.stderr
    return float(match[1])


def _report(rates: dict[str, float]) -> Report:
    report = Report(
        "loadgen", notes=[f"{CONNECTIONS} connections; answers of two bytes; every tool is on this machine."]
    )
    ours = rates["perkie, one process"]
    report.rows = [{"tool": name, "req/s": rate, "of perkie": rate / ours} for name, rate in rates.items()]
    for name, times in (("locust, FastHttpUser", LOCUST_TIMES), ("wrk, one thread", WRK_TIMES)):
        if name in rates:
            report.goals.append(Goal(f"one process, to {name}", ours / rates[name], times, at_least=True))
        else:
            report.notes.append(f"{name} is not installed: that goal was not measured.")
    return report
