"""A shop on an emulated Cloud Run: two revisions as real servers, a front that splits traffic, and customers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2

from perkie_cli.domain.deploy.gate import Rule
from perkie_cli.domain.deploy.rollout import ANNOTATION, Rollout
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.ops.deploy.asking import Asker
from perkie_cli.ops.deploy.canary import Canary
from perkie_cli.ops.deploy.levels import gate_rules
from perkie_cli.ops.deploy.prometheus import PrometheusSamples
from perkie_cli.ops.deploy.watch import Watch
from perkie_cli.ops.deploy.writing import Writer
from perkie_cli.ports.rollouts import Driver, RunServices
from perkie_cli.system.clock import SystemClock
from perkie_cli.telemetry.measures import Measures
from perkie_cli.telemetry.prometheus import Exposition
from tests.events import Recorder
from tests.run_services import NAME, NEW, OLD, SERVICE, Cloud, cloud

FIRST = f"{SERVICE}-00001-emu"
COMMANDS = ("perkie deploy canary --env production", "perkie deploy rollback --env production")


class Revision:
    """A server with perkie's own metrics. ``fails``: whether the next answer is a 500."""

    def __init__(self) -> None:
        self.fails: Callable[[], bool] = lambda: False
        self.gone: Callable[[], bool] = lambda: False  # whether it does not even say that it is alive
        self.measures = Measures()
        self._page = Exposition(self.measures)
        self.told = True  # whether it shows its metrics
        self._server = HttpServer(self._answer)

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> None:
        await self._server.start()

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _answer(self, request: Request, wire: Wire) -> Response:
        if request.path == "/metrics":
            return Response(200 if self.told else 403, self._page.text() if self.told else b"")
        if request.path == "/health":
            return Response.of({}, 503 if self.gone() else 200)
        status = 500 if self.fails() else 200
        self.measures.add("requests", "POST", "/api/v1/generate", str(status))
        self.measures.observe("request_seconds", "/api/v1/generate", value=0.01)
        return Response.of({}, status)


@dataclass
class Customers:
    """Ask all the time; a front splits them as Cloud Run does. ``lost``: requests without any answer."""

    cloud: Cloud
    answers: Counter[int] = field(default_factory=Counter)
    lost: int = 0

    @asynccontextmanager
    async def asking(self, count: int = 6) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(timeout=30.0) as client:
            tasks = [asyncio.create_task(self._ask(client)) for _ in range(count)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, client: httpx2.AsyncClient) -> None:
        while True:
            try:
                answer = await client.post(f"{self._address()}/api/v1/generate")
                self.answers[answer.status_code] += 1
            except httpx2.HTTPError:
                self.lost += 1
            await asyncio.sleep(0.005)  # a crowd that asks without a breath takes the time of what it is there to see

    def _address(self) -> str:
        """Of one of the revisions, by the traffic that is served now."""
        state = self.cloud.emulator.state
        split = state.split(NAME)
        (revision,) = random.choices([*split], [*split.values()])
        return state.backends[state.revisions[f"{NAME}/revisions/{revision}"].containers[0].image]


class NoDriver(Driver):
    """Proves with what it was told, and sends nothing."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        self.proven: list[str] = []
        self.waits = False

    async def prove(self, address: str) -> str:
        self.proven.append(address)
        if self.waits:
            await asyncio.Event().wait()
        return self.failure

    @asynccontextmanager
    async def steady(self, addresses: Sequence[str]) -> AsyncIterator[None]:
        yield


@dataclass
class Shop:
    """``canary`` makes the use cases as another machine would: nothing is kept between two of them."""

    cloud: Cloud
    old: Revision
    new: Revision
    customers: Customers
    said: list[str] = field(default_factory=list)
    events: Recorder = field(default_factory=Recorder)
    driver: NoDriver = field(default_factory=NoDriver)

    def canary(
        self, *, steps: Sequence[int] = (10, 50, 100), run: RunServices | None = None, **watching: Any
    ) -> Canary:
        clock = SystemClock()
        rules = watching.pop("rules", None)
        options = {"interval": 0.02, "hold": 0.05, "max_hold": 30.0, "least": 10, **watching}
        watch = Watch(
            rules=rules_of_the_shop() if rules is None else rules,
            samples=PrometheusSamples(clock),
            clock=clock,
            tell=self.said.append,
            asker=Asker(),
            **options,
        )
        writer = Writer(run or self.cloud.run, SERVICE, clock, self.events, "tester", 20.0, poll=0.01, pauses=(0.01,))
        return Canary(writer, watch, self.driver, steps, self.said.append, COMMANDS)

    async def ship(self, canary: Canary) -> None:
        await canary.begin(await canary.plan(), template, NEW)

    async def state(self) -> Rollout:
        found = Rollout.from_text((await self.cloud.service()).annotations[ANNOTATION])
        assert found is not None
        return found

    def split(self) -> dict[str, int]:
        return dict(self.cloud.emulator.state.split(NAME))

    def share_of_new(self) -> int:
        return sum(percent for revision, percent in self.split().items() if revision != FIRST)


@cache
def rules_of_the_shop() -> Sequence[Rule]:
    """Reading all service levels takes a fifth of a second."""
    return gate_rules(["error_rate"])


def template(revision: str) -> dict[str, Any]:
    return {"revision": revision, "containers": [{"image": NEW}]}


@asynccontextmanager
async def shop(**options: Any) -> AsyncIterator[Shop]:
    old, new = Revision(), Revision()
    await old.start()
    await new.start()
    try:
        async with cloud(backends={OLD: old.url, NEW: new.url}, **options) as its:
            customers = Customers(its)
            async with customers.asking():
                yield Shop(its, old, new, customers)
            assert customers.lost == 0
    finally:
        with suppress(Exception):
            await old.aclose()
            await new.aclose()
