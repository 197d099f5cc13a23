"""Collects orders: what became of the job, then each of its pictures, with the checks of a picture drawn online.

Everything here can be repeated: pictures go under their own key, bookings are settled to the same amount. An order is
forgotten only after its last picture, so that a run that is killed in the middle costs nothing but time.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.orders.book import OrderBook
from perkie_cli.batch.orders.lines import LONGEST, read_lines
from perkie_cli.batch.orders.patience import patiently
from perkie_cli.batch.orders.placing import release
from perkie_cli.domain.errors import BadInput, PerkieError, UpstreamFault, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.pictures.orders import Order, OrderedPicture, UpstreamJob, Via
from perkie_cli.domain.runs import Status
from perkie_cli.ports import Clock, SpendLedger, Workers
from perkie_cli.ports.batch_api import Answered, BatchApi
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.plan import PicturePlan

SURE_AFTER = timedelta(minutes=10)  # by then a job that was created is listed
CANCELLING, LOOK_EVERY = 60.0, 5.0  # seconds that a cancelled job gets to end
_THEN = "`--then online` draws it at the usual price."


class Fate(StrEnum):
    """What became of an order."""

    WAITING = "waiting"
    ENDED = "ended"  # its answers can be collected
    NEVER = "never"  # its job was never created; nothing is owed
    LOST = "lost"  # nothing will come of it, though it may have been billed


@frozen
class Seen:
    """An order as it was seen. ``error``: why nothing more is known, or why it is lost."""

    order: Order
    fate: Fate
    job: UpstreamJob | None = None
    error: PerkieError | None = None


class Collecting:
    """Collects the orders of earlier runs. ``plan`` is what an online drawing of that job would do."""

    def __init__(
        self,
        api: BatchApi,
        book: OrderBook,
        ledger: SpendLedger,
        generate: Generate,
        clock: Clock,
        io: Workers,
        plan: Callable[[Job], Awaitable[PicturePlan]],
        give_up_after: timedelta,
    ) -> None:
        self._api = api
        self._book = book
        self._ledger = ledger
        self._generate = generate
        self._clock = clock
        self._io = io
        self._plan = plan
        self._give_up_after = give_up_after

    async def look(self, order: Order) -> Seen:
        """Looks what became of an order; gives it up when it is too old. Raises: StoreUnavailable."""
        seen = await self._looked(order)
        return await self._given_up(seen) if seen.fate is Fate.WAITING and self.gives_up(order, seen.error) else seen

    def gives_up(self, order: Order, error: PerkieError | None) -> bool:
        """Whether it is too old to wait for.

        What somebody here has to mend, such as a key or a full store, is no reason to give up what is paid for.
        """
        return self._age(order) >= self._give_up_after and (error is None or isinstance(error, UpstreamFault))

    async def collect(self, seen: Seen, jobs: list[Job]) -> AsyncGenerator[tuple[int, JobResult], None]:
        """What became of each picture of an order that has ended, with its place in the order; ``jobs`` are theirs.

        The answers are read first to last, then come those without any. Raises: upstream errors when the answers
        cannot be fetched, StoreUnavailable when a picture cannot be kept; the order then stays open.
        """
        assert seen.job is not None, "an order that has ended"
        left = dict(enumerate(seen.order.pictures))
        if seen.job.answers is not None:
            with tempfile.TemporaryDirectory(prefix="perkie-") as folder:
                path = Path(folder) / "answers.jsonl"
                await self._downloaded(seen.job.answers, path, LONGEST * len(left))
                rows = read_lines(path)
                while (row := await self._io.run(next, rows, None)) is not None:
                    if (place := _place(row, left)) is not None:
                        yield place, await self._taken(seen.order, left.pop(place), row, jobs[place])
        for place in left:
            yield place, JobResult(jobs[place], Status.FAILED, error=_no_answer(seen.job), via=Via.BATCH_API)
        await self._forget(seen)

    async def drop(self, seen: Seen) -> None:
        """Forgets an order that is lost: its bookings stay, as possible spend; or that never was: they go."""
        if seen.fate is Fate.NEVER:
            await release(self._ledger, seen.order.pictures)
        await self._forget(seen)

    # ---------------------------------------------------------------- the job

    async def _looked(self, order: Order) -> Seen:
        try:
            job = await self._found(order)
        except PerkieError as error:
            return Seen(order, Fate.WAITING, error=error)
        if job is None and order.job is not None:  # not lost yet: perhaps somebody's key was changed
            unknown = f"gemini does not know the job {order.job}, at least not for this key"
            return Seen(order, Fate.WAITING, error=UpstreamFault(unknown))
        if job is None:
            return Seen(order, Fate.NEVER if self._age(order) >= SURE_AFTER else Fate.WAITING)
        seen = order.seen(job)
        if seen != order:
            await self._book.put(seen)
        return Seen(seen, Fate.ENDED if job.state.ended else Fate.WAITING, job)

    async def _downloaded(self, file: str, path: Path, most: int) -> None:
        await patiently(self._clock, lambda: self._api.download(file, path, most))

    async def _found(self, order: Order) -> UpstreamJob | None:
        """The job by its name, or by the order's if the answer to its creation was lost."""
        name = order.job
        if name is None:
            jobs = await patiently(self._clock, self._api.jobs)
            name = next((job.name for job in jobs if job.display_name == order.id), None)
        if name is None:
            return None
        return await patiently(self._clock, lambda: self._api.job(name))  # the list leaves things out

    async def _given_up(self, seen: Seen) -> Seen:
        """Cancels the job and waits a little for its end: what is done by then can be collected."""
        order, left = seen.order, CANCELLING
        if order.job is not None:
            with suppress(PerkieError):
                await self._api.cancel(order.job)
            while (seen := await self._looked(order)).fate is Fate.WAITING and left > 0:
                await self._clock.sleep(LOOK_EVERY)
                left -= LOOK_EVERY
        if seen.fate is not Fate.WAITING:
            return seen
        why = seen.error.message if seen.error is not None else f"its job is {order.state or 'not to be found'}"
        hours = self._age(order).total_seconds() / 3600
        return replace(seen, fate=Fate.LOST, error=UpstreamFault(f"given up after {hours:.0f} h: {why}", hint=_THEN))

    async def _forget(self, seen: Seen) -> None:
        await self._book.remove(seen.order)
        answers = None if seen.job is None else seen.job.answers
        with suppress(PerkieError):  # they end by themselves after two days
            await self._api.delete(seen.order.job, [seen.order.file, *([answers] if answers else [])])

    def _age(self, order: Order) -> timedelta:
        return self._clock.now() - order.made

    # ---------------------------------------------------------------- one picture

    async def _taken(self, order: Order, picture: OrderedPicture, row: Any, job: Job) -> JobResult:
        """Reads an answer and keeps its picture. Raises: what may pass, such as StoreUnavailable."""
        try:
            plan = await self._planned(job, picture)
            asked = replace(await self._generate.deferred(plan), model=order.model)
        except (BadInput, UsageError) as error:  # the photo or the style was removed meanwhile; it stays booked
            return JobResult(job, Status.FAILED, error=error, via=Via.BATCH_API)
        answered = await self._api.answered(row, asked)
        result = await self._kept(plan, picture, answered, job)
        await self._ledger.settle(picture.booking, answered.usage, drawn=answered.drawn)
        return replace(result, usd=answered.usage.cost_usd, via=Via.BATCH_API)

    async def _planned(self, job: Job, picture: OrderedPicture) -> PicturePlan:
        """As it was ordered: settings and the style may have changed since."""
        plan = await self._plan(job)
        return replace(plan, size=picture.size, key=replace(plan.key, fingerprint=picture.fingerprint))

    async def _kept(self, plan: PicturePlan, picture: OrderedPicture, answered: Answered, job: Job) -> JobResult:
        if answered.rendering is None:
            return JobResult(job, Status.FAILED, error=answered.error)
        there = await self._generate.is_cached(plan)
        made = await self._generate.take_in(plan, answered.rendering, picture.fingerprint)
        return JobResult(job, Status.CACHED if there else Status.DONE, made.facts())


def _place(row: Any, left: dict[int, OrderedPicture]) -> int | None:
    """The place of the picture that a row answers, if it is still open."""
    key = row.get("key")
    return int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and int(key) in left else None


def _no_answer(job: UpstreamJob) -> PerkieError:
    return UpstreamFault(f"gemini's job ended ({job.said}) without an answer for this picture", hint=_THEN)
