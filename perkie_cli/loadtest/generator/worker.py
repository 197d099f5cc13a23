"""One process of the generator: prepares, waits for the common start, runs its part, and hands its counts over."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

from perkie_cli.domain.errors import BudgetExceeded, PerkieError, Unavailable, UnwritableFile
from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.generator.answers import Pictures, facts, judge, shown
from perkie_cli.loadtest.generator.choices import Choice, choices
from perkie_cli.loadtest.generator.connection import Connections, Exchange
from perkie_cli.loadtest.generator.driver import Driver
from perkie_cli.loadtest.generator.samples import SampleFile
from perkie_cli.loadtest.generator.schedule import arrivals
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.photos import Photos
from perkie_cli.loadtest.scenario import Scenario
from perkie_cli.loadtest.tally import Outcome, Tally
from perkie_cli.loadtest.timeline import Timeline

TELL = 0.5  # seconds between two reports to the parent
FILLING, TRIES = 4, 3  # requests at once while the cache is filled, and tries of each


@frozen
class Job:
    """A worker's part of a run: the ``worker``-th of ``workers``. ``most``: its requests in flight."""

    scenario: Scenario
    target: str
    seed: int = 0
    run: str = "0"
    worker: int = 0
    workers: int = 1
    most: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    insecure: bool = False
    samples: Path | None = None
    keep: Path | None = None
    max_usd: float = math.inf


@frozen
class Ready:
    """It has prepared everything."""


@frozen
class Told:
    """The counts so far; ``final`` when its part has ended."""

    tally: Tally
    final: bool = False


@frozen
class Failed:
    """It cannot go on."""

    error: PerkieError


def work(job: Job, pipe: Pipe) -> None:
    """The process's main function. Ctrl-C is the parent's to handle."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # a file for each connection
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_whole(job, pipe))
    except PerkieError as error:
        pipe.send(Failed(error))
    except (BrokenPipeError, EOFError):  # the parent died
        os._exit(1)
    except OSError as error:
        pipe.send(Failed(UnwritableFile(f"{error.filename} cannot be written: {error.strerror}")))


async def _whole(job: Job, pipe: Pipe) -> None:
    loop = asyncio.get_running_loop()
    scenario, target = job.scenario, urlsplit(job.target)
    pool = Photos(scenario.photos.side, job.seed) if any(call.photo for call in scenario.calls) else None
    messages = [Message(call, target, pool, job.headers) for call in scenario.calls]
    times, phases = arrivals(scenario, job.seed)
    connections = Connections(target, time.monotonic, insecure=job.insecure)
    with ExitStack() as stack:
        log = stack.enter_context(SampleFile(job.samples, scenario)) if job.samples else None
        filled = await fill(job, messages, connections) if job.worker == 0 else 0.0
        row = choices(scenario, job.seed, job.worker, job.workers)
        pictures = Pictures(job.keep)
        driver = Driver(scenario, messages, row, connections, run=job.run, most=job.most, pictures=pictures, log=log)
        driver.tally.warm_up.usd = filled
        pipe.send(Ready())
        begin: float = await loop.run_in_executor(None, pipe.recv)
        threading.Thread(target=_listen, args=(pipe, loop, driver), daemon=True).start()
        telling = loop.call_later(TELL, _tell, pipe, driver, loop)
        gc.collect()
        gc.freeze()  # the generator's own pauses would look like the server's
        if scenario.open:
            mine = slice(job.worker, None, job.workers)
            await driver.run_open(begin, times[mine], phases[mine])
        else:
            await driver.run_closed(begin, job.worker, job.workers)
        telling.cancel()
        await connections.aclose()
    if log is not None and log.failure:
        driver.tally.warnings.add(f"not all samples could be written: {log.failure}")
    pipe.send(Told(driver.tally, final=True))


def _tell(pipe: Pipe, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
    if driver.running:
        pipe.send(Told(replace(driver.tally, timeline=Timeline())))  # which grows; only the end needs it
        loop.call_later(TELL, _tell, pipe, driver, loop)


def _listen(pipe: Pipe, loop: asyncio.AbstractEventLoop, driver: Driver) -> None:
    """Ends the run when the parent says so, or has died."""
    try:
        pipe.recv()
        loop.call_soon_threadsafe(driver.stop)
    except (EOFError, OSError):
        os._exit(1)


async def fill(job: Job, messages: Sequence[Message], connections: Connections) -> float:
    """Sends each warm photo once by each call that sends photos, before the clock starts. Returns what that cost.

    Raises: Unavailable when one is not answered as expected; BudgetExceeded.
    """
    scenario = job.scenario
    calls = [number for number, call in enumerate(scenario.calls) if call.photo]
    wanted = enumerate((call, photo) for call in calls for photo in range(scenario.photos.warm))
    spent = 0.0

    async def filler() -> None:
        nonlocal spent
        for number, (call, photo) in wanted:
            owner = number % scenario.owners if scenario.owners else -1 - number
            choice = Choice(-1 - number, call, photo, owner)
            spent += await _warm(scenario, messages[call], connections, choice, job.run)
            if spent > job.max_usd:
                raise BudgetExceeded(f"filling the cache cost ${spent:.4f}, more than --max-usd {job.max_usd:g}")

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(FILLING):
                group.create_task(filler())
    except ExceptionGroup as errors:  # with except* it would stay a group, in Python before 3.11.4
        raise errors.exceptions[0] from None
    return spent


def _end(ended: asyncio.Event, _: Exchange) -> None:
    ended.set()


async def _warm(scenario: Scenario, message: Message, connections: Connections, choice: Choice, run: str) -> float:
    call = scenario.calls[choice.call]
    for _ in range(TRIES):
        ended = asyncio.Event()  # an answer may still come when another's failure has ended the wait
        exchange = Exchange(choice, 0, connections.now(), partial(_end, ended))
        exchange.payload = message.payload(choice, run)
        connections.send(exchange, call.timeout)
        await ended.wait()
        verdict = judge(exchange, call)
        if verdict.outcome is Outcome.OK:
            return facts(exchange).usd
    raise Unavailable(
        f"the cache could not be filled before the start: {call.name}: {verdict.reason} {shown(exchange)}".rstrip(),
        hint="Is the target up, and does it accept these requests?",
    )
