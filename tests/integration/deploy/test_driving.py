"""The synthetic customers of a canary, by real load tests against small servers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.cli.deploy.driving import LoadDriver
from perkie_cli.domain.errors import BudgetExceeded
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.ops.deploy.read import usual_canary

SCENARIO = """\
title = "A few quotas"
[[phase]]
name = "asking"
rate = 20
duration = "1s"
[[request]]
name = "quota"
path = "/api/v1/quota?session_id={session}"
[[threshold]]
rule = "error_rate<=0%"
[[threshold]]
rule = "hit_rate>=99%"
"""


class Server:
    def __init__(self) -> None:
        self.status, self.usd = 200, 0.0
        self.asked: Counter[str] = Counter()
        self._server = HttpServer(self._answer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        await self._server.start()
        try:
            yield self._server.url
        finally:
            await self._server.aclose()

    async def _answer(self, request: Request, wire: Wire) -> Response:
        self.asked[request.query.get("session_id", "").partition("-")[0]] += 1
        return Response.of({"cache_hit": False, "cost_usd": self.usd}, self.status)


def driver(tmp_path: Path, said: list[str], *, max_usd: float = 0.0) -> LoadDriver:
    (tmp_path / "few.toml").write_text(SCENARIO, "utf-8")
    spec = replace(usual_canary(), smoke="", load=str(tmp_path / "few.toml"), load_seconds=1.0, rate=20.0)
    return LoadDriver(spec, {}, max_usd, said.append)


async def test_a_revision_is_proven_by_synthetic_customers(tmp_path: Path) -> None:
    server, said = Server(), list[str]()
    async with server.running() as url:
        drive = driver(tmp_path, said)
        assert await drive.prove(url) == ""  # the hit rate of so few says nothing, and is not judged
        assert set(server.asked) == {"load"}
        server.status = 503
        failure = await drive.prove(url)
    assert failure == "few: thresholds failed: error_rate<=0% is 100 %"
    assert said[0] == "few: 1 s of synthetic customers, at most $0.00"


async def test_it_ends_when_the_dollars_are_spent(tmp_path: Path) -> None:
    server, said = Server(), list[str]()
    server.usd = 0.5
    async with server.running() as url:
        drive = driver(tmp_path, said, max_usd=1.0)
        with pytest.raises(BudgetExceeded):
            await drive.prove(url)
        assert drive.spent > 1.0
        asked = sum(server.asked.values())
        with pytest.raises(BudgetExceeded, match="dollars are spent"):
            await drive.prove(url)
        assert sum(server.asked.values()) == asked


async def test_both_revisions_are_asked_as_long_as_a_step_is_held(tmp_path: Path) -> None:
    new, old = Server(), Server()
    async with new.running() as one, old.running() as other:
        drive = driver(tmp_path, [])
        async with drive.steady([one, "", other]):
            while not (new.asked and old.asked):
                await _moment()
        asked = sum(new.asked.values()), sum(old.asked.values())
        for _ in range(20):
            await _moment()
        assert (sum(new.asked.values()), sum(old.asked.values())) == asked  # and no longer


async def _moment() -> None:
    await asyncio.sleep(0.01)
