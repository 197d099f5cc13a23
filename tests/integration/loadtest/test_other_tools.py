"""The same stalling server under wrk and hey, which wait for an answer before they send again, and under perkie.

hey tells what it saw. wrk adds the samples that it missed afterwards, as if it had sent at an even pace (its
``stats_correct``), and so comes near; at a given rate it cannot send.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from perkie_cli.loadtest.load import Options, run_load
from perkie_cli.loadtest.scenario import Phase
from tests.loadtest import scenario
from tests.serving import ServerProcess

pytestmark = pytest.mark.slow
SECONDS = 30  # three stalls of one second
TRUTH = {"95": 0.5, "99": 0.9}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@pytest.fixture
def stalling_url() -> Iterator[str]:
    server = ServerProcess([sys.executable, "-c", "from tests.loadtest import serve_stalling; serve_stalling()"], {})
    yield server.url
    server.process.kill()
    server.process.wait()


def told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed: apt-get install wrk")
def test_wrk_comes_near_by_the_samples_that_it_adds(stalling_url: str) -> None:
    out = told("wrk", "-t1", "-c10", f"-d{SECONDS}s", "--latency", stalling_url)
    match = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    assert match is not None, out
    assert float(match[1]) * UNITS[match[2]] == pytest.approx(TRUTH["99"], rel=0.15)


@pytest.mark.skipif(not shutil.which("hey"), reason="hey is not installed: apt-get install hey")
@pytest.mark.parametrize("limit", [(), ("-q", "10")], ids=["as fast as it can", "at 100 a second"])
def test_hey_hides_the_stalls_also_at_a_given_rate(stalling_url: str, limit: tuple[str, ...]) -> None:
    out = told("hey", "-z", f"{SECONDS}s", "-c", "10", *limit, stalling_url)
    figures = {name: float(value) for name, value in re.findall(r"(\d+)% in ([\d.]+) secs", out)}
    assert figures["95"] < TRUTH["95"] / 10


def test_perkie_tells_them_as_they_are(stalling_url: str) -> None:
    """At a schedule's moments, whenever the stalls begin: 10 % of all requests meet one, evenly."""
    run = run_load(scenario(phases=(Phase("p", float(SECONDS), rate=100.0),)), stalling_url, Options(workers=1))
    for name, seconds in TRUTH.items():
        assert run.tally.series().quantile(float(name) / 100) == pytest.approx(seconds, abs=0.1)
