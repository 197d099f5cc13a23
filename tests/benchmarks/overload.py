"""Goodput of `POST /api/v1/generate` at three times what the server can draw, against its capacity in the same run.

Every picture is drawn by the local engine, for a photo that nobody sent before. Capacity: what a few clients that each
wait for their answer get (a closed loop). Overload: requests come at three times that rate, whether or not anything is
answered (an open loop). The two take turns. Only pictures that come within the deadline count.
"""

import argparse
import asyncio
import base64
import itertools
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.benchmarks.harness import Goal, Report
from tests.pictures import file_of, photo
from tests.serving import perkie_serve

GOODPUT, TIMES = 0.9, 3.0
STYLE, SIDE = "ink_wash", 256
CLIENTS = 3  # of the closed loop: one more than workers


@dataclass
class Outcome:
    """Answers by status, and how long each took, in seconds."""

    seconds: float
    took: dict[int, list[float]] = field(default_factory=dict)

    def add(self, status: int, seconds: float) -> None:
        self.took.setdefault(status, []).append(seconds)

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return len(self.took.get(200, [])) / self.seconds

    def row(self, what: str) -> dict[str, object]:
        counts = Counter({status: len(took) for status, took in self.took.items()})
        late = self.took.get(503, [0.0])
        return {
            "load": what,
            "pictures/s": self.rate,
            "200": counts[200],
            "503": counts[503],
            "others": sum(counts.values()) - counts[200] - counts[503],
            "slowest 200 (s)": max(self.took.get(200, [0.0])),
            "median 503 (s)": statistics.median(late),
        }


class Client:
    """Asks for pictures of photos that all differ."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/api/v1/generate"
        self._photo = file_of(photo(SIDE, SIDE))
        self._numbers: Iterator[int] = itertools.count()

    async def ask(self, outcome: Outcome) -> int:
        image = base64.b64encode(self._photo + b"#%d" % next(self._numbers)).decode()
        began = time.perf_counter()
        async with self._session.post(self._url, json={"image_data": image, "style": STYLE}) as answer:
            await answer.read()
            outcome.add(answer.status, time.perf_counter() - began)
            return answer.status


async def closed(client: Client, seconds: float) -> Outcome:
    """A few clients, each of which waits for its answer."""
    outcome = Outcome(seconds)
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            if await client.ask(outcome) == 503:
                await asyncio.sleep(1.0)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def opened(client: Client, seconds: float, rate: float) -> Outcome:
    """Requests at ``rate`` a second for so long, whatever becomes of them; until the last is answered."""
    outcome = Outcome(seconds)
    began = time.perf_counter()
    tasks: list[asyncio.Task[int]] = []
    while (now := time.perf_counter() - began) < seconds:
        while len(tasks) < now * rate:
            tasks.append(asyncio.create_task(client.ask(outcome)))
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    outcome.seconds = time.perf_counter() - began
    return outcome


async def measure(url: str, rounds: int, seconds: float) -> Report:
    report = Report("overload")
    ratios, ended_late = [], 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        client = Client(session, url)
        await closed(client, seconds / 2)
        for _ in range(rounds):
            capacity = await closed(client, seconds)
            over = await opened(client, seconds, TIMES * capacity.rate)
            report.rows += [capacity.row("capacity"), over.row(f"{TIMES:g}× overload")]
            ratios.append(over.rate / capacity.rate)
            ended_late += sum(len(took) for status, took in over.took.items() if status not in (200, 503))
    report.goals.append(Goal("goodput at 3× overload", statistics.median(ratios), GOODPUT, at_least=True))
    report.goals.append(Goal("neither drawn nor refused", ended_late, 0, unit="requests"))
    return report


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="overload")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round and case")
    parser.add_argument("--deadline", type=float, default=10.0, help="of a picture, in seconds")
    arguments = parser.parse_args(argv)
    env = {
        "PERKIE_HTTP_GENERATE_DEADLINE": f"{arguments.deadline}s",
        "PERKIE_HTTP_RATE_IP": "1000000",
        "PERKIE_HTTP_RATE_BURST": "1000000",
        "PERKIE_STYLE_ENGINE": "local",
    }
    with tempfile.TemporaryDirectory() as home, perkie_serve(Path(home), env=env) as server:
        return asyncio.run(measure(server.url, arguments.rounds, arguments.seconds))
