"""Runs a scenario in processes of its own: ``with Load(scenario, url) as load: … load.wait()``."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType

from perkie_cli.domain.errors import Interrupted, PerkieError, Unavailable
from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.scenario import Scenario
from perkie_cli.loadtest.tally import Tally, merged

LEAD = 0.3  # seconds from the last worker's readiness to the common start
A_PROCESS_SENDS = 5_000  # requests a second, at ease
MOST_IN_FLIGHT = 20_000
_PATIENCE = 10.0  # seconds for a worker to end after it was told to


class Ending(StrEnum):
    """Why the run ended."""

    DONE = "done"
    ABORTED = "aborted"  # a threshold with ``abort_on_fail``
    INTERRUPTED = "interrupted"
    BUDGET = "budget"  # ``max_usd`` is spent


@frozen
class Options:
    """How to run. ``run`` makes the owners of this run differ from those of others; ``keep``: a folder for each picture
    that was answered, named by the request's number. ``max_usd``: the run ends once the answers cost more.
    """

    seed: int = 1
    workers: int = 0  # 0: by the scenario's rate
    headers: Mapping[str, str] = field(default_factory=dict)
    insecure: bool = False
    samples: Path | None = None
    keep: Path | None = None
    max_usd: float = math.inf
    run: str = field(default_factory=lambda: secrets.token_hex(3))


@frozen
class Run:
    """A finished run. ``seconds``: of the schedule that passed, without what came after it."""

    scenario: Scenario
    target: str
    options: Options
    tally: Tally
    started: datetime
    seconds: float
    ending: Ending = Ending.DONE
    lost_workers: int = 0

    @property
    def measured(self) -> float:
        """Seconds that were judged."""
        return max(0.0, self.seconds - self.scenario.warm_up)


Watch = Callable[[Run], Ending | None]


class Load:
    """A run in the background. ``watch`` sees the counts twice a second, in another thread, and may name an ending."""

    def __init__(
        self, scenario: Scenario, target: str, options: Options | None = None, watch: Watch | None = None
    ) -> None:
        options = options or Options()
        count = options.workers or workers_for(scenario)
        self._options = replace(options, workers=count)
        self._scenario, self._target, self._watch = scenario, target, watch
        self._processes: list[SpawnProcess] = []
        self._pipes: list[Pipe] = []
        self._tallies: dict[int, Tally] = {}
        self._finals: set[int] = set()
        self._errors: list[PerkieError] = []
        self._ending = Ending.DONE
        self._begin = 0.0
        self._ended: float | None = None
        self._started = datetime.now(UTC)
        self._collector = threading.Thread(target=self._collect, daemon=True)

    def __enter__(self) -> Load:
        try:
            self.start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._kill()

    def start(self) -> None:
        """Starts the workers, waits until all are ready, and gives them one start time.

        Raises: Unavailable when the cache cannot be filled or a worker dies.
        """
        for number in range(self._options.workers):
            self._spawn(number)
        for number, pipe in enumerate(self._pipes):
            self._await_ready(number, pipe)
        self._started = datetime.now(UTC)
        self._begin = time.monotonic() + LEAD
        for pipe in self._pipes:
            pipe.send(self._begin)
        self._collector.start()

    def _spawn(self, number: int) -> None:
        from perkie_cli.loadtest.generator.worker import Job, work

        options = self._options
        job = Job(
            self._scenario,
            self._target,
            seed=options.seed,
            run=options.run,
            worker=number,
            workers=options.workers,
            most=ceil(in_flight(self._scenario) / options.workers),
            headers=options.headers,
            insecure=options.insecure,
            samples=options.samples and part_of(options.samples, number),
            keep=options.keep,
            max_usd=options.max_usd,
        )
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(job, theirs), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            process.start()  # inherits the mask: Ctrl-C reaches the whole group, and is ours to handle
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._processes.append(process)
        self._pipes.append(ours)

    def _await_ready(self, number: int, pipe: Pipe) -> None:
        from perkie_cli.loadtest.generator.worker import Failed

        try:
            message = pipe.recv()
        except EOFError:
            raise Unavailable(f"load-test worker {number} died at its start") from None
        if isinstance(message, Failed):
            raise message.error

    def _collect(self) -> None:
        from perkie_cli.loadtest.generator.worker import Failed, Told

        open_pipes = dict(enumerate(self._pipes))
        while open_pipes:
            ready = wait(list(open_pipes.values()))
            for number, pipe in list(open_pipes.items()):
                if pipe not in ready:
                    continue
                try:
                    message = pipe.recv()
                except (EOFError, OSError):
                    del open_pipes[number]
                    continue
                if isinstance(message, Told):
                    self._tallies[number] = message.tally
                    if message.final:
                        self._finals.add(number)
                        del open_pipes[number]
                elif isinstance(message, Failed):
                    self._errors.append(message.error)
            if open_pipes and (ending := self._early()):
                self.stop(ending)
        self._ended = time.monotonic()

    def _early(self) -> Ending | None:
        """Why the run must end before its time."""
        run = self.latest()
        asked = self._watch(run) if self._watch is not None else None
        return Ending.BUDGET if run.tally.usd > self._options.max_usd else asked

    def latest(self) -> Run:
        """The counts so far."""
        whole = self._scenario.duration  # also when the last request was answered before its end
        done = self._ended is not None and self._ending is Ending.DONE
        seconds = whole if done else min(max(0.0, (self._ended or time.monotonic()) - self._begin), whole)
        tally = merged(list(self._tallies.values()))
        lost = len(self._pipes) - len(self._finals) if self._ended else 0
        return Run(self._scenario, self._target, self._options, tally, self._started, seconds, self._ending, lost)

    def stop(self, ending: Ending = Ending.INTERRUPTED) -> None:
        """Ends the run now; what is in flight is cut off. ``wait`` gives what there is."""
        if self._ended is not None or self._begin == 0.0:
            return
        if self._ending is Ending.DONE:
            self._ending = ending
        for number, pipe in enumerate(self._pipes):
            if number not in self._finals:
                try:
                    pipe.send("stop")
                except OSError:
                    continue  # it has ended

    def wait(self, seconds: float | None = None) -> Run | None:
        """The finished run; None when it still goes on after ``seconds``.

        Raises: what made a worker give up.
        """
        self._collector.join(seconds)
        if self._collector.is_alive():
            return None
        if self._errors:
            raise self._errors[0]
        run = self.latest()
        if self._options.samples is not None:
            from perkie_cli.loadtest.generator.samples import join

            parts = [part_of(self._options.samples, each) for each in range(len(self._pipes))]
            try:
                join(parts, self._options.samples)
            except OSError as error:
                run.tally.warnings.add(f"samples are left in {parts[0]} …: {error.strerror}")
        return run

    def _kill(self) -> None:
        for process in self._processes:
            process.join(_PATIENCE if self._begin else 0)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in self._pipes:
            pipe.close()


def run_load(scenario: Scenario, target: str, options: Options | None = None, watch: Watch | None = None) -> Run:
    """Runs the whole scenario; an interrupt gives the run so far, marked as ``INTERRUPTED``.

    Raises: Unavailable, as ``Load.start``; Interrupted before the start.
    """
    try:
        with Load(scenario, target, options, watch) as load:
            return _waited(load)
    except KeyboardInterrupt:
        raise Interrupted("interrupted before the start; nothing was measured") from None


def _waited(load: Load) -> Run:
    while True:
        try:
            if (run := load.wait(0.5)) is not None:
                return run
        except KeyboardInterrupt:
            load.stop()


def workers_for(scenario: Scenario) -> int:
    """How many processes send it at ease, on this machine."""
    return max(1, min(os.cpu_count() or 1, ceil(scenario.peak_rate / A_PROCESS_SENDS)))


def in_flight(scenario: Scenario) -> int:
    """How many requests may be in flight together: by default enough for every one to reach its timeout."""
    if not scenario.open:
        return sum(phase.users for phase in scenario.phases)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = MOST_IN_FLIGHT if files == resource.RLIM_INFINITY else min(MOST_IN_FLIGHT, files // 2)
    return scenario.max_in_flight or min(most, ceil(scenario.peak_rate * scenario.timeout * 1.1) + 10)


def part_of(samples: Path, number: int) -> Path:
    """The rows of one worker, beside the whole file."""
    return samples.with_name(f"{samples.name}.{number}.part")
