"""Cold starts: for each, the server's process is started anew and gets one request; its time counts from the start."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from perkie_cli.loadtest.generator.choices import Choice, choices
from perkie_cli.loadtest.generator.connection import Connections
from perkie_cli.loadtest.generator.driver import Driver
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.hosting.hosted import Hosted
from perkie_cli.loadtest.load import Options, Run
from perkie_cli.loadtest.photos import Photos
from perkie_cli.loadtest.scenario import Scenario
from perkie_cli.loadtest.tally import Tally, merged


def run_cold(scenario: Scenario, hosted: Hosted, options: Options) -> Run:
    """Starts the server ``fresh_servers`` times. Raises: Unavailable when it does not start."""
    server = hosted.processes["server"]
    pool = Photos(scenario.photos.side, options.seed)
    row = choices(scenario, options.seed)
    started, tallies = datetime.now(UTC), []
    for _ in range(scenario.fresh_servers):
        server.stop()
        server.start()
        messages = [Message(call, urlsplit(server.url), pool, options.headers) for call in scenario.calls]
        tallies.append(asyncio.run(_one(scenario, messages, next(row), server.url, server.began, options.run)))
    seconds = (datetime.now(UTC) - started).total_seconds()
    phase = replace(scenario.phases[0], duration=seconds)
    return Run(replace(scenario, phases=(phase,)), hosted.url, options, merged(tallies), started, seconds)


async def _one(scenario: Scenario, messages: list[Message], choice: Choice, url: str, began: float, run: str) -> Tally:
    connections = Connections(urlsplit(url), time.monotonic)
    driver = Driver(scenario, messages, iter([choice]), connections, run=run)
    await driver.run_one(began)
    await connections.aclose()
    return driver.tally
