"""``perkie cache warm``: draws pictures of recent uploads before anybody asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from perkie_cli.batch.jobs import Job, JobResult
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.batch.orders.book import OrderBook
from perkie_cli.batch.run import BatchRun, RunResult, RunRules
from perkie_cli.batch.warm import WarmWork, warm_jobs, warm_name
from perkie_cli.cli.batch.options import ProgressKind
from perkie_cli.cli.batch.progress import BatchProgress
from perkie_cli.cli.batch.report import BatchReporter, batch_report
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.storage.ordering import OrderChoice, Ordering
from perkie_cli.domain.errors import UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget, dollars
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.orders import Via
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.runs import Status
from perkie_cli.domain.storage.selection import WarmBy
from perkie_cli.domain.units import format_duration
from perkie_cli.ports import STORE_DOWN

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services


@frozen
class Warm:
    """What to warm. ``budget`` in dollars."""

    since: timedelta
    limit: int
    by: WarmBy
    styles: Sequence[str]
    remove_background: bool
    budget: Decimal | None
    jobs: int
    dry_run: bool
    wait: bool
    via: Via
    orders: OrderChoice
    shard: Shard | None = None


async def warm(services: Services, renderer: Renderer, chosen: Warm) -> Report:
    """Warms, unless another one does of all that share the document store. Shards do not keep each other waiting.

    Raises: UsageError for shards that order, and for orders of cut-outs.
    """
    if chosen.remove_background and chosen.via is Via.BATCH_API:
        raise UsageError("--remove-bg is for drawing online", hint="Leave --remove-bg or --via out.")
    if chosen.shard is not None and chosen.via is Via.BATCH_API:
        raise UsageError("--shard is for drawing online: one run orders for all", hint="Leave --shard or --via out.")
    async with services.warming.alone(str(chosen.shard or ""), wait=chosen.wait) as other:
        if other is None:
            return await _warmed(services, renderer, chosen)
        said = f"another warmer runs since {other:%Y-%m-%d %H:%M} UTC; nothing was done"
        return Report(summary={"other_since": other}, text=[said])


async def _warmed(services: Services, renderer: Renderer, chosen: Warm) -> Report:
    uploads = await services.warming.uploads(chosen.since, chosen.limit, chosen.by)
    if chosen.shard is not None:
        uploads = [each for each in uploads if chosen.shard.takes(each.hash)]
    jobs: Sequence[Job] = warm_jobs(services.warming, uploads, chosen.styles)
    logbook = Logbook(services.journal, services.locks, services.io, services.clock, renderer.warn)
    budget = Budget(Decimal("Infinity") if chosen.budget is None else chosen.budget)
    request = partial(warm_request, remove_background=chosen.remove_background)
    work = WarmWork(services.generate, request, chosen.dry_run)
    reporter = _Reporter(renderer, BatchProgress(renderer, ProgressKind.AUTO))
    if chosen.via is Via.BATCH_API:
        ordering = Ordering(services, renderer.warn, chosen.orders, work, reporter, logbook, budget)
        jobs, run = await ordering.prepared(jobs)
    else:
        if not chosen.remove_background:  # nothing on order is cut out
            jobs = await _not_on_order(services, renderer, jobs)
        rules = RunRules(chosen.jobs, keep=renderer.flags.json)
        run = BatchRun(work, reporter, logbook, services.clock, budget, rules, lambda: None).all
    if chosen.dry_run:
        ended = await run(jobs)
    else:
        async with logbook.recorded(renderer.command, renderer.words, jobs, frozenset()):
            ended = await run(jobs)
    report = batch_report(ended, logbook.run_id)
    line = _line(ended, await _prices(services, ended, chosen.via))
    return Report(report.results, report.summary, [line], report.error, report.exit_code)


async def _not_on_order(services: Services, renderer: Renderer, jobs: Sequence[Job]) -> Sequence[Job]:
    """Leaves out what is paid for already. While the store is down, nobody is kept from working."""
    try:
        orders = await OrderBook(services.documents).open()
    except STORE_DOWN as error:
        renderer.warn(f"{error.message}; what is on order, if anything, is drawn again")
        return jobs
    names = {warm_name(each.hash, each.style) for order in orders for each in order.pictures}
    left = [job for job in jobs if job.named not in names]
    if count := len(jobs) - len(left):
        verb = "is" if count == 1 else "are"
        renderer.warn(f"{count} {verb} on order of the Batch API and left out; `--via batch-api` collects them")
    return left


async def _prices(services: Services, ended: RunResult, via: Via) -> Mapping[Status, Decimal]:
    """About what is still to be paid, or booked."""
    counts = ended.tally.counts
    prices: dict[Status, Decimal] = {}
    if planned := counts[Status.PLANNED]:
        online = via is Via.ONLINE
        price = services.generate.price() if online else services.batch_api.price(services.drawing_choice.size)
        prices[Status.PLANNED] = price * planned
    if counts[Status.ORDERED]:
        orders = await OrderBook(services.documents).open()
        prices[Status.ORDERED] = sum((order.usd for order in orders), Decimal(0))
    return prices


def warm_request(photo: Photo, job: Job, purse: Budget, *, remove_background: bool = False) -> GenerateRequest:
    """Nobody is charged for what nobody asked for; substitutes are not kept."""
    assert job.owner is not None, "an upload has an owner"
    return GenerateRequest(
        photo,
        job.style,
        job.owner,
        remove_background=remove_background,
        fallback=frozenset(),
        cover_setup=False,
        budget=purse,
        wait_for_quota=True,
    )


def _line(ended: RunResult, prices: Mapping[Status, Decimal]) -> str:
    """One line, fit for a log."""
    counts, tally = ended.tally.counts, ended.tally
    parts = [f"{counts[Status.DONE] + counts[Status.CACHED]} drawn, {counts[Status.SKIPPED]} fresh"]
    if planned := counts[Status.PLANNED]:
        parts = [f"{planned} to draw for about {dollars(prices[Status.PLANNED])}", parts[0]]
    if ordered := counts[Status.ORDERED]:
        parts.append(f"{ordered} on order for about {dollars(prices[Status.ORDERED])}")
    if failed := counts[Status.FAILED]:
        parts.append(f"{failed} failed")
    return f"warm: {', '.join([*parts, dollars(tally.usd), format_duration(tally.seconds)])}"


class _Reporter(BatchReporter):
    """Tells failures only: nobody is there to read the rest."""

    def ended(self, result: JobResult, *, new_error: bool) -> None:
        """Prints a failure."""
        if result.error is not None:
            super().ended(result, new_error=new_error)
