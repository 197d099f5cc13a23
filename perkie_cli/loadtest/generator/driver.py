"""Sends the requests of one process on time, and counts what comes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Protocol

from perkie_cli.loadtest.generator.answers import NOTHING, Facts, Pictures, Verdict, body_of, facts, judge, shown
from perkie_cli.loadtest.generator.choices import Choice
from perkie_cli.loadtest.generator.connection import Connections, Exchange
from perkie_cli.loadtest.generator.schedule import Numbers, Times
from perkie_cli.loadtest.generator.wire import Message
from perkie_cli.loadtest.scenario import Check, Scenario
from perkie_cli.loadtest.tally import Outcome, Sample, Tally

RECOVER = 0.1  # seconds that a user waits after a failure: a refused connection takes no time
WATCH = 0.25  # seconds over which the use of the core is measured
BUSY = 0.9
LATEST = 1e-6  # seconds
TICK = 0.001  # seconds


class Log(Protocol):
    """Takes a row for each request: ``--samples``."""

    def write(self, exchange: Exchange, verdict: Verdict, facts: Facts, begin: float) -> None:
        """``begin``: of the run, on the generator's clock."""


class Driver:
    """One process's part of a run.

    ``messages`` make the requests, in the order of the scenario's calls. Everything that ended is in ``tally``.
    """

    def __init__(
        self,
        scenario: Scenario,
        messages: Sequence[Message],
        choices: Iterator[Choice],
        connections: Connections,
        *,
        run: str = "0",
        most: int = 1,
        pictures: Pictures | None = None,
        log: Log | None = None,
    ) -> None:
        self.tally = Tally()
        self._scenario, self._messages, self._choices, self._connections = scenario, messages, choices, connections
        self._run, self._most, self._log = run, most, log
        self._pictures = pictures or Pictures()
        self._now = connections.now
        self._begin = 0.0
        self._in_flight: set[Exchange] = set()
        self._checks = ThreadPoolExecutor(1, "perkie-check")
        self._finished = asyncio.Event()
        self._all_sent = False
        self._stopped = False
        self._turns = 0  # of users, that are still to come
        self._ends = list(accumulate(phase.duration for phase in scenario.phases))

    # ---------------------------------------------------------------- the run

    async def run_open(self, begin: float, times: Times, phases: Numbers) -> None:
        """Sends at ``begin`` plus ``times``, whatever the server does; returns when all has ended."""
        self._begin = begin
        self._release(iter(zip(times.tolist(), phases.tolist(), strict=True)), None)
        await self._to_the_end()

    async def run_closed(self, begin: float, worker: int = 0, workers: int = 1) -> None:
        """Each user sends, waits for the answer, thinks, and sends again, until its phase ends."""
        self._begin = begin
        loop = asyncio.get_running_loop()
        for number, phase in enumerate(self._scenario.phases):
            first = self._ends[number] - phase.duration
            for _ in range(worker, phase.users, workers):
                self._turns += 1
                loop.call_later(begin + first - self._now(), self._turn, number, first)
        self._all_sent = True
        self._check_end()
        await self._to_the_end()

    async def run_one(self, begin: float) -> None:
        """Sends a single request, which was meant for ``begin``."""
        self._begin = begin
        self._send(next(self._choices), 0.0, 0, self._ended)
        self._all_sent = True
        await self._finished.wait()
        self._stopped = True
        self._checks.shutdown()

    @property
    def running(self) -> bool:
        """Until it has ended or was stopped."""
        return not self._stopped

    def stop(self) -> None:
        """Ends the run now; what is in flight is cut off."""
        self._stopped = True
        self._finished.set()

    async def _to_the_end(self) -> None:
        loop = asyncio.get_running_loop()
        end = self._begin + self._scenario.duration + self._scenario.last_wait
        alarm = loop.call_later(end - self._now(), self._finished.set)
        loop.call_later(WATCH, self._watch, self._now(), time.thread_time())
        await self._finished.wait()
        alarm.cancel()
        self._stopped = True
        for exchange in list(self._in_flight):
            self._cut_off(exchange)
        self.tally.generator.connections = self._connections.opened
        self.tally.generator.refused = self._connections.refused
        self._checks.shutdown(cancel_futures=True)

    def _watch(self, wall: float, used: float) -> None:
        """Measures how busy this thread kept its core, again and again."""
        if self._stopped:
            return
        now, own = self._now(), time.thread_time()
        generator = self.tally.generator
        generator.windows += 1
        generator.busy += own - used > BUSY * (now - wall)
        asyncio.get_running_loop().call_later(WATCH, self._watch, now, own)

    def _release(self, arrivals: Iterator[tuple[float, int]], due: tuple[float, int] | None) -> None:
        """Sends everything that is due, then sleeps until the next arrival: one timer, absolute times.

        After one that was sent it sleeps for ``TICK`` at least: the loop's timers count milliseconds, and waiting for
        shorter gaps would keep a core busy.
        """
        least = 0.0
        while not self._stopped:
            due = due or next(arrivals, None)
            if due is None:
                self._all_sent = True
                self._check_end()
                return
            if (early := self._begin + due[0] - self._now()) > LATEST:
                asyncio.get_running_loop().call_later(max(early, least), self._release, arrivals, due)
                return
            self._arrive(*due)
            due, least = None, TICK

    def _arrive(self, at: float, phase: int) -> None:
        choice = next(self._choices)
        if len(self._in_flight) < self._most:
            self._send(choice, at, phase, self._ended)
        else:
            self._count(at, phase, choice, Verdict(Outcome.SKIPPED))
            self.tally.timeline.second(at).skipped += 1

    def _turn(self, phase: int, at: float) -> None:
        """One request of a user. ``at``: when its thinking was over."""
        self._turns -= 1
        if at >= self._ends[phase] or self._stopped:
            self._check_end()
        else:
            self._send(next(self._choices), at, phase, self._user_answered)

    def _user_answered(self, exchange: Exchange) -> None:
        self._turns += 1
        self._ended(exchange)
        phase = exchange.phase
        pause = self._scenario.phases[phase].think or (RECOVER if exchange.failure else 0.0)
        again = exchange.done - self._begin + pause
        if pause:
            asyncio.get_running_loop().call_later(pause, self._turn, phase, again)
        else:
            self._turn(phase, again)

    def _send(self, choice: Choice, at: float, phase: int, ended: Callable[[Exchange], None]) -> None:
        exchange = Exchange(choice, phase, self._begin + at, ended)
        call = self._scenario.calls[choice.call]
        exchange.payload = self._messages[choice.call].payload(choice, self._run)
        exchange.whole = call.check is not Check.NONE
        self._in_flight.add(exchange)
        self._connections.send(exchange, call.timeout)
        if at >= self._scenario.warm_up and not self._scenario.fresh_servers:
            self.tally.generator.lag.record(max(0.0, exchange.begun - exchange.intended))

    # ---------------------------------------------------------------- what came of it

    def _ended(self, exchange: Exchange) -> None:
        if self._stopped:
            return
        call = self._scenario.calls[exchange.choice.call]
        verdict = judge(exchange, call)
        if call.check is Check.PICTURE and verdict.outcome is Outcome.OK:
            self._check_picture(exchange, verdict)
        else:
            self._settle(exchange, verdict)

    def _check_picture(self, exchange: Exchange, verdict: Verdict) -> None:
        """Decodes in a thread; the request stays in flight, but its time was taken."""
        loop = asyncio.get_running_loop()
        job = self._checks.submit(self._pictures.why_not, body_of(exchange), exchange.choice.number)

        def checked() -> None:
            wrong = job.result()
            self._settle(exchange, Verdict(Outcome.ERROR, wrong) if wrong else verdict)

        job.add_done_callback(lambda done: done.cancelled() or loop.call_soon_threadsafe(checked))

    def _settle(self, exchange: Exchange, verdict: Verdict) -> None:
        if exchange not in self._in_flight:
            return
        self._in_flight.discard(exchange)
        at, call = exchange.intended - self._begin, self._scenario.calls[exchange.choice.call]
        told = facts(exchange) if verdict.outcome is Outcome.OK else NOTHING
        self._count(at, exchange.phase, exchange.choice, verdict, exchange, told)
        if verdict.outcome is Outcome.OK:
            self.tally.timeline.good(at, exchange.done - exchange.intended)
        else:
            self.tally.timeline.second(at).failed += 1
            self.tally.sample(Sample(verdict.reason, call.name, exchange.status or None, round(at, 3), shown(exchange)))
        if self._log is not None:
            self._log.write(exchange, verdict, told, self._begin)
        self._check_end()

    def _cut_off(self, exchange: Exchange) -> None:
        exchange.done = exchange.done or self._now()
        at, verdict = exchange.intended - self._begin, Verdict(Outcome.CUT_OFF, "the run ended")
        self._count(at, exchange.phase, exchange.choice, verdict)
        if self._log is not None:
            self._log.write(exchange, verdict, NOTHING, self._begin)

    def _count(
        self,
        at: float,
        phase: int,
        choice: Choice,
        verdict: Verdict,
        exchange: Exchange | None = None,
        told: Facts | None = None,
    ) -> None:
        scenario, tally = self._scenario, self.tally
        warm = at < scenario.warm_up
        series = tally.warm_up if warm else tally.cell(scenario.phases[phase].name, scenario.calls[choice.call].name)
        series.outcomes[verdict.outcome] += 1
        if exchange is None or told is None:
            return
        if exchange.status:
            series.statuses[exchange.status] += 1
        if verdict.reason:
            series.fail(verdict.reason)
        if verdict.outcome is not Outcome.ERROR:
            series.latency.record(exchange.done - exchange.intended)
            series.service.record(exchange.done - (exchange.sent or exchange.done))
        series.bytes += exchange.size
        if told is not NOTHING:
            series.hits += told.hits
            series.misses += told.misses
            series.degraded += told.degraded
            series.usd += told.usd

    def _check_end(self) -> None:
        if self._all_sent and not self._in_flight and not self._turns:
            self._finished.set()
