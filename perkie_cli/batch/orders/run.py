"""A run by way of a batch API: collects what earlier runs ordered, orders what is missing, draws what is left over."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.orders.collecting import Collecting, Fate, Seen
from perkie_cli.batch.orders.patience import patiently
from perkie_cli.batch.orders.placing import Placing, Requests
from perkie_cli.batch.run import Reporter, RunResult, Work
from perkie_cli.batch.tally import Tally
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.pictures.orders import Order, Then, Via
from perkie_cli.domain.runs import Outcome, Status
from perkie_cli.ports import Clock
from perkie_cli.ports.batch_api import BatchApi
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.plan import PicturePlan
from perkie_cli.system.waiting import finished

FIRST_WAIT, LONGEST_WAIT = 30.0, 300.0  # seconds between looks at jobs


@frozen
class OrderRules:
    """``at_once``: pictures drawn online in parallel. ``wait``: until all is collected; else a later run does that."""

    model: str
    then: Then
    wait: bool
    at_once: int
    dry_run: bool


@frozen
class Open:
    """An open order, and the places of its pictures among the jobs of the run."""

    order: Order
    places: Sequence[int]


@dataclass(slots=True)
class OrderRun:
    """``plan`` decides what a job needs, ``online`` draws one. ``warn`` is told what concerns no single picture."""

    api: BatchApi
    collecting: Collecting
    placing: Placing
    generate: Generate
    plan: Callable[[Job], Awaitable[PicturePlan]]
    online: Work
    reporter: Reporter
    warn: Callable[[str], None]
    logbook: Logbook
    clock: Clock
    budget: Budget
    rules: OrderRules
    _jobs: Sequence[Job] = ()
    _tally: Tally = field(default_factory=lambda: Tally(0))
    _results: dict[int, JobResult] = field(default_factory=dict)
    _open: list[Open] = field(default_factory=list)
    _rest: dict[int, Decimal] = field(default_factory=dict)  # to be drawn online, and what was paid for nothing
    _begun: float = 0.0

    async def all(self, jobs: Sequence[Job], opened: Sequence[Open]) -> RunResult:
        """Runs them. ``opened`` names the jobs that earlier runs ordered; the others are ordered if they are missing.

        Raises: StoreUnavailable when the orders cannot be read or written; UnwritableFile, DiskFull for stdout.
        """
        self._jobs, self._tally, self._begun = jobs, Tally(len(jobs)), self.clock.monotonic()
        outcome = Outcome.FINISHED
        with self.reporter.progress(self._tally, jobs[0].source.path.name if jobs else ""):
            try:
                await self._work(opened)
            except asyncio.CancelledError:
                outcome = Outcome.INTERRUPTED
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
            finally:
                self.placing.close()
            for result in self._results.values():
                if result.status is Status.ORDERED:
                    self._count(result)
        await self.logbook.finish(outcome)
        kept = [self._results[place] for place in sorted(self._results)]
        return RunResult(self._tally, outcome, kept, self._tally.total - self._tally.ended)

    async def _work(self, opened: Sequence[Open]) -> None:
        theirs = {place for each in opened for place in each.places}
        free = [place for place in range(len(self._jobs)) if place not in theirs]
        if self.rules.dry_run:
            for each in opened:
                await self._waits(each)
        else:
            free = [*await self._collected(opened), *free]
        await self._order(free)
        await self._drawn()
        wait = FIRST_WAIT
        while self.rules.wait and self._open:
            await self.clock.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)
            self._open, looked = [], self._open
            await self._order(await self._collected(looked))
            await self._drawn()

    # ---------------------------------------------------------------- collecting

    async def _collected(self, opened: Sequence[Open]) -> list[int]:
        """Collects what has ended; the places of jobs that were never ordered after all."""
        free: list[int] = []
        for each in opened:
            try:
                free += await self._looked(each)
            except PerkieError as error:  # the store of orders is down: nothing of this one was forgotten
                await self._waits(each, error)
        return free

    async def _looked(self, its: Open) -> Sequence[int]:
        """Collects an order if it has ended; the places that are free again. Raises: StoreUnavailable."""
        seen = await self.collecting.look(its.order)
        if seen.fate is Fate.ENDED:
            await self._taken(seen, its)
        elif seen.fate is Fate.WAITING:
            await self._waits(replace(its, order=seen.order), seen.error)
        elif seen.fate is Fate.LOST:
            await self._lost(seen, its.places)
        else:
            await self.collecting.drop(seen)
            return its.places
        return ()

    async def _taken(self, seen: Seen, its: Open) -> None:
        try:
            async with aclosing(self.collecting.collect(seen, [self._jobs[each] for each in its.places])) as results:
                async for place, result in results:
                    await self._brought(its.places[place], result)
        except PerkieError as error:
            if self.collecting.gives_up(its.order, error):
                await self._lost(replace(seen, error=error), its.places)
            else:
                await self._waits(its, error)

    async def _lost(self, seen: Seen, places: Sequence[int]) -> None:
        await self.collecting.drop(seen)
        for place in places:
            await self._brought(place, JobResult(self._jobs[place], Status.FAILED, error=seen.error, via=Via.BATCH_API))

    async def _brought(self, place: int, result: JobResult) -> None:
        """Records what an order brought, or draws it online. After a fault the first pictures come again."""
        if self._is_settled(place):
            return
        if result.error is not None and result.error.retryable and self.rules.then is Then.ONLINE:
            self._rest[place] = result.usd
        else:
            await self._note(place, result)

    def _is_settled(self, place: int) -> bool:
        known = self._results.get(place)
        return place in self._rest or (known is not None and known.status is not Status.ORDERED)

    async def _waits(self, its: Open, error: PerkieError | None = None) -> None:
        """Leaves an order to a later look."""
        if error is not None:
            self.warn(f"{its.order.id}: {error.message}; it is left to a later run")
        self._open.append(its)
        since = f"ordered {its.order.made:%Y-%m-%d %H:%M} UTC, {its.order.state or 'not confirmed yet'}"
        for place in its.places:
            if not self._is_settled(place):
                await self._note(place, JobResult(self._jobs[place], Status.ORDERED, remark=since, via=Via.BATCH_API))

    # ---------------------------------------------------------------- ordering

    async def _order(self, places: Sequence[int]) -> None:
        """Orders what is not in the cache, in as many jobs as it takes. An error that all would meet ends it."""
        failure: PerkieError | None = None
        with tempfile.TemporaryDirectory(prefix="perkie-") as folder:
            path = Path(folder) / "requests.jsonl"
            requests = Requests(path, self.rules.model)
            for place in places:
                failure = await self._added(requests, place, failure)
                if requests.full:
                    failure = await self._placed(requests) or failure
                    requests = Requests(path, self.rules.model)
            await self._placed(requests)

    async def _added(self, requests: Requests, place: int, failure: PerkieError | None) -> PerkieError | None:
        """Adds one picture to the requests; the error that all others would meet, if there is one."""
        job = self._jobs[place]
        try:
            plan = await self.plan(job)
            if await self.generate.is_cached(plan):
                await self._note(place, JobResult(job, Status.SKIPPED, remark="fresh"))
                return failure
            if self.rules.dry_run:
                await self._note(place, JobResult(job, Status.PLANNED))
                return failure
            if failure is not None:
                raise failure
            if not self._open and not requests.pictures:
                failure = await self._refused()
                if failure is not None:
                    raise failure
            await self.placing.add(requests, place, job, plan)
        except PerkieError as error:
            await self._note(place, JobResult(job, Status.FAILED, error=error, via=Via.BATCH_API))
            return failure or (error if error.ends_run else None)
        return failure

    async def _refused(self) -> PerkieError | None:
        """Why the upstream takes no orders for the model, before anything is spent."""
        try:
            await patiently(self.clock, lambda: self.api.check(self.rules.model))
        except PerkieError as error:
            return error
        return None

    async def _placed(self, requests: Requests) -> PerkieError | None:
        """Orders the requests; the error that further ones would meet, if there is one."""
        if not requests.pictures:
            return None
        try:
            placed = await self.placing.place(requests)
        except PerkieError as error:
            for place, job in requests.places:
                await self._note(place, JobResult(job, Status.FAILED, error=error, via=Via.BATCH_API))
            return error
        await self._waits(Open(placed.order, [place for place, _ in requests.places]), placed.doubt)
        return placed.doubt

    # ---------------------------------------------------------------- online

    async def _drawn(self) -> None:
        """Draws online what orders did not bring."""
        rest, self._rest = self._rest, {}
        queue = iter(rest.items())

        async def lane() -> None:
            for place, paid in queue:
                result = await self._result(self._jobs[place])
                await self._note(place, replace(result, usd=result.usd + paid))

        async with asyncio.TaskGroup() as group:
            for _ in range(self.rules.at_once):
                group.create_task(lane())

    async def _result(self, job: Job) -> JobResult:
        began, purse = self.clock.monotonic(), self.budget.part()
        try:
            result = await self.online(job, purse)
        except PerkieError as error:
            result = JobResult(job, Status.FAILED, error=error)
        except Exception as error:  # noqa: BLE001  # a bug that one picture meets does not cost the others theirs
            result = JobResult(job, Status.FAILED, error=self.reporter.unexpected(error))
        return replace(result, seconds=self.clock.monotonic() - began, usd=purse.spent)

    async def _note(self, place: int, result: JobResult) -> None:
        self._results[place] = result
        await finished(self.logbook.ended(place, result))
        if result.status is not Status.ORDERED:
            self._count(result)

    def _count(self, result: JobResult) -> None:
        self._tally.seconds = self.clock.monotonic() - self._begun
        self._tally.usd += result.usd
        new = self._tally.add(result.status, result.job.source.name, result.error)
        self.reporter.ended(result, new_error=new)
