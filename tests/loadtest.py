"""What the tests of load tests share: a server that stalls by the clock, and one scenario in a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import httptools
import numpy as np

from perkie_cli.loadtest.generator.choices import choices
from perkie_cli.loadtest.generator.connection import Connections
from perkie_cli.loadtest.generator.driver import Driver
from perkie_cli.loadtest.generator.schedule import Times, arrivals
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.load import in_flight
from perkie_cli.loadtest.scenario import Call, Phase, Scenario
from perkie_cli.loadtest.tally import Tally

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
EVERY, STALL = 10.0, 1.0  # seconds


def scenario(**changes: object) -> Scenario:
    """One GET a hundredth of a second for a second, unless told otherwise."""
    phases = (Phase("steady", 1.0, rate=100.0),)
    return replace(Scenario("test", phases, (Call("root", "/", timeout=30.0),)), **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def stalling(now: Callable[[], float], begin: float, every: float = EVERY) -> AsyncIterator[str]:
    """Answers at once, any number at a time; but in the first second of every ten, only when that has passed."""
    loop = asyncio.get_running_loop()

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.parser = httptools.HttpRequestParser(self)

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_message_complete(self) -> None:
            into = (now() - begin) % every
            wait = STALL - into if 0 <= into < STALL and now() >= begin else 0.0
            loop.call_later(wait, self.transport.write, ANSWER)  # type: ignore[attr-defined]

    server = await loop.create_server(Answering, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.close()


def truth(times: Times, every: float = EVERY) -> Times:
    """The latency of each arrival at that server, in order."""
    into = times % every
    return np.sort(np.where(into < STALL, STALL - into, 0.0))


async def drive(found: Scenario, url: str, begin: float, now: Callable[[], float], seed: int = 1) -> Tally:
    """Runs a scenario in this process's loop."""
    target = urlsplit(url)
    connections = Connections(target, now)
    messages = [Message(call, target, None, {}) for call in found.calls]
    driver = Driver(found, messages, choices(found, seed), connections, most=in_flight(found))
    if found.open:
        await driver.run_open(begin, *arrivals(found, seed))
    else:
        await driver.run_closed(begin)
    await connections.aclose()
    return driver.tally


def serve_stalling() -> None:
    """A process's main: the stalling server on a free port; says where on stderr."""
    import sys
    import time

    async def main() -> None:
        async with stalling(time.monotonic, time.monotonic()) as url:
            print(f"listening on {url}", file=sys.stderr, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
