"""``perkie cache warm --via batch-api``: joins a warming run and the open orders; ``--status`` tells of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.orders.book import OrderBook
from perkie_cli.batch.orders.collecting import Collecting
from perkie_cli.batch.orders.placing import Placing
from perkie_cli.batch.orders.run import Open, OrderRules, OrderRun
from perkie_cli.batch.run import Reporter, RunResult
from perkie_cli.batch.warm import StoredSource, WarmWork, warm_job
from perkie_cli.cli.batch.rows import OrderRow
from perkie_cli.cli.render import Report
from perkie_cli.domain.errors import PerkieError, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget, dollars
from perkie_cli.domain.people.identity import ANONYMOUS
from perkie_cli.domain.pictures.orders import Order, OrderedPicture, Then
from perkie_cli.domain.units import format_duration
from perkie_cli.services.pictures.plan import PicturePlan
from perkie_cli.services.pictures.warming import Upload

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

RUNS = 50  # the newest ones, among which the last warming is looked for


@frozen
class OrderChoice:
    """What the user chose about orders: see ``OrderRules``."""

    give_up_after: timedelta
    then: Then
    wait: bool
    jobs: int
    dry_run: bool


@frozen
class Ordering:
    """Makes the run of a warming whose pictures are ordered."""

    services: Services
    warn: Callable[[str], None]
    chosen: OrderChoice
    work: WarmWork
    reporter: Reporter
    logbook: Logbook
    budget: Budget

    async def prepared(
        self, jobs: Sequence[Job]
    ) -> tuple[Sequence[Job], Callable[[Sequence[Job]], Awaitable[RunResult]]]:
        """The jobs, those of open orders first, and what runs them. Raises: UsageError, the stores' errors."""
        its = self.services
        if its.drawing_choice.meant() != "gemini":
            raise UsageError(
                "--via batch-api is for pictures by gemini, and this is set up to draw on this machine",
                hint="Set GEMINI_API_KEY (and style.engine to auto or gemini), or leave --via out.",
            )
        book = OrderBook(its.documents)
        orders = await book.open()
        ordered, opened = await self._of_orders(orders)
        named = {job.named for job in ordered}
        run = self._run(book)
        return [*ordered, *(job for job in jobs if job.named not in named)], lambda all_: run.all(all_, opened)

    async def _of_orders(self, orders: Sequence[Order]) -> tuple[list[Job], list[Open]]:
        hashes = {each.hash for order in orders for each in order.pictures}
        uploads = await self.services.warming.named(hashes) if hashes else {}
        jobs: list[Job] = []
        opened: list[Open] = []
        for order in orders:
            places = range(len(jobs), len(jobs) + len(order.pictures))
            opened.append(Open(order, places))
            for each in order.pictures:
                upload = uploads.get(each.hash) or _gone(each, order)
                jobs.append(warm_job(StoredSource(upload, self.services.warming), each.style))
        return jobs, opened

    def _run(self, book: OrderBook) -> OrderRun:
        its, chosen = self.services, self.chosen
        api, clock, io, ledger = its.batch_api, its.clock, its.io, its.ledger
        cap = its.settings.gemini.daily_cap_usd

        async def plan(job: Job) -> PicturePlan:
            return await self.work.planned(job, self.budget)

        return OrderRun(
            api,
            Collecting(api, book, ledger, its.generate, clock, io, plan, chosen.give_up_after),
            Placing(api, book, ledger, its.generate, clock, io, cap, self.budget),
            its.generate,
            plan,
            self.work,
            self.reporter,
            self.warn,
            self.logbook,
            clock,
            self.budget,
            OrderRules(its.settings.gemini.model, chosen.then, chosen.wait, chosen.jobs, chosen.dry_run),
        )


def _gone(picture: OrderedPicture, order: Order) -> Upload:
    """An upload that was removed since it was ordered: reading it says so."""
    return Upload(picture.hash, f"{picture.hash}.jpg", ANONYMOUS, order.made)


async def status(services: Services) -> Report:
    """The open orders, with their jobs as they are now, and the last warming of this machine."""
    orders = await OrderBook(services.documents).open()
    now = services.clock.now()
    rows, lines = [], []
    for each in orders:
        order, remark = await _now(services, each)
        rows.append(_row(order))
        age = format_duration((now - order.made).total_seconds())
        lines.append(
            f"{order.id}: {_pictures(order)} for about {dollars(order.usd)}, "
            f"ordered {order.made:%Y-%m-%d %H:%M} UTC ({age} ago), {order.state or 'not confirmed yet'}{remark}"
        )
    last = await _last(services)
    summary = {"orders": len(rows), "pictures": sum(row.pictures for row in rows), **last}
    return Report(rows, summary, [*(lines or ["nothing is on order"]), _told(last)])


async def _now(services: Services, order: Order) -> tuple[Order, str]:
    """The order with the state of its job, and a remark where it cannot be asked for."""
    if order.job is None:
        return order, ""
    try:
        job = await services.batch_api.job(order.job)
    except PerkieError as error:
        return order, f" when last seen ({error.message})"
    return (order, ", which the API does not know any more") if job is None else (order.seen(job), "")


def _pictures(order: Order) -> str:
    count = len(order.pictures)
    return f"{count} picture{'s' * (count != 1)}"


def _row(order: Order) -> OrderRow:
    pictures = len(order.pictures)
    return OrderRow(order.id, order.job, order.state, order.made, pictures, order.model, order.usd)


async def _last(services: Services) -> dict[str, object]:
    runs = await services.io.run(services.journal.runs, RUNS)
    found = next((each for each in runs if each.command == "cache warm"), None)
    if found is None:
        return {}
    counts = {status.value: count for status, count in found.counts.items()}
    return {"last_run": found.id, "last_begun": found.begun, "last_counts": counts, "last_usd": found.usd}


def _told(last: dict[str, object]) -> str:
    if not last:
        return "no warming has run on this machine"
    begun, counts = last["last_begun"], last["last_counts"]
    assert isinstance(begun, datetime)
    assert isinstance(counts, dict)
    words = ", ".join(f"{count} {status}" for status, count in counts.items()) or "nothing to do"
    return f"last run: {begun:%Y-%m-%d %H:%M} UTC, {words} (perkie report show {last['last_run']})"
