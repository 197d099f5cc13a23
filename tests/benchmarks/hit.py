"""`POST /api/v1/generate` on a cached picture against a bare Starlette route, 1, 10 and 100 connections.

The bare route parses, decodes (with the same base64 library) and hashes the same body and returns the same bytes; both
run under uvicorn with uvloop and httptools, one process each. A closed loop of aiohttp
clients takes turns between them.
"""

import argparse
import asyncio
import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tests.benchmarks.harness import Goal, Report
from tests.pictures import file_of, photo
from tests.serving import ServerProcess, perkie_serve

BARE = """
import hashlib, sys
import orjson, pybase64, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def route(request):
    body = orjson.loads(await request.body())
    hashlib.sha256(pybase64.b64decode(body["image_data"])).hexdigest()
    return Response(ANSWER, media_type="application/json")

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"listening on http://127.0.0.1:{port}", file=sys.stderr, flush=True)

ANSWER = bytes.fromhex(sys.argv[1])
app = Starlette(routes=[Route("/api/v1/generate", route, methods=["POST"])])
Server(uvicorn.Config(app, port=0, log_level="error", access_log=False)).run()
"""
RATIO, P99_MS = 0.6, 100.0


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="hit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round and case")
    parser.add_argument("--side", type=int, default=2048, help="px of the photo that is sent: what the page shrinks to")
    arguments = parser.parse_args(argv)
    picture = file_of(photo(arguments.side, arguments.side * 3 // 4), quality=92)
    body = b'{"style":"ink_wash","image_data":"%s"}' % base64.b64encode(picture)
    with tempfile.TemporaryDirectory() as home, perkie_serve(Path(home)) as ours:
        answer = asyncio.run(_warm(ours.url, body))
        bare = ServerProcess([sys.executable, "-c", BARE, answer.hex()], {})
        try:
            servers = {"perkie": ours.url, "bare Starlette": bare.url}
            figures = {n: _compare(servers, body, n, arguments.rounds, arguments.seconds) for n in (1, 10, 100)}
        finally:
            bare.process.kill()
            bare.process.wait()
    return _report(figures, len(body))


async def _warm(url: str, body: bytes) -> bytes:
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.post(f"{url}/api/v1/generate", data=body, headers=JSON) as answer:
                content = await answer.read()
                assert answer.status == 200, content
        assert b'"cache_hit":true' in content
        return content


JSON = {"Content-Type": "application/json"}
Round = tuple[float, list[float], int]  # requests a second, seconds of each, errors


def _compare(
    servers: dict[str, str], body: bytes, connections: int, rounds: int, seconds: float
) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, url in servers.items():
            found[name].append(asyncio.run(_load(url, body, connections, seconds)))
    return found


async def _load(url: str, body: bytes, connections: int, seconds: float) -> Round:
    times: list[float] = []
    errors = 0

    async def client(session: aiohttp.ClientSession, until: float) -> None:
        nonlocal errors
        while (start := time.perf_counter()) < until:
            async with session.post(f"{url}/api/v1/generate", data=body, headers=JSON) as answer:
                await answer.read()
                errors += answer.status != 200
            times.append(time.perf_counter() - start)

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(client(session, begun + seconds) for _ in range(connections)))
    return len(times) / (time.perf_counter() - begun), times, errors


def _report(figures: dict[int, dict[str, list[Round]]], size: int) -> Report:
    report = Report("hit", notes=[f"The body has {size / 1024:.0f} KiB."])
    for connections, cases in figures.items():
        rates = {name: statistics.median(rate for rate, _, _ in rounds) for name, rounds in cases.items()}
        for name, rounds in cases.items():
            times = sorted(t for _, each, _ in rounds for t in each)
            p50, p99 = (times[int(len(times) * q)] * 1000 for q in (0.5, 0.99))
            errors = sum(errors for _, _, errors in rounds)
            report.rows.append(
                {"server": name, "connections": connections, "req/s": rates[name], "p50 ms": p50, "p99 ms": p99,
                 "errors": errors}
            )  # fmt: skip
            if name == "perkie" and connections == 10:
                report.goals.append(Goal("p99 at 10 connections", p99, P99_MS, unit="ms"))
            if name == "perkie" and connections == 100:
                report.goals.append(Goal("errors at 100 connections", errors, 0, unit=""))
        ratio = rates["perkie"] / rates["bare Starlette"]
        report.goals.append(Goal(f"req/s, {connections} connections", ratio, RATIO, at_least=True))
    return report
