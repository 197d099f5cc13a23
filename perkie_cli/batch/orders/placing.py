"""Places orders: gathers requests in a file, books their price, remembers the order, and only then creates its job.

::

    file → upload → book the price → remember the order → create the job → remember its name
                                     └ killed here: the job is looked for by its name ┘
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.orders.book import OrderBook
from perkie_cli.batch.orders.lines import append_line, write_line
from perkie_cli.batch.orders.patience import patiently
from perkie_cli.domain.errors import (
    BadInput,
    NotAuthorised,
    PerkieError,
    StoreUnavailable,
    UpstreamExhausted,
    UpstreamOverloaded,
    UpstreamRefused,
    UsageError,
)
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget, Purchase, Usage, daily_cap_reached
from perkie_cli.domain.pictures.orders import Order, OrderedPicture
from perkie_cli.ports import Clock, SpendLedger, Workers
from perkie_cli.ports.batch_api import BatchApi
from perkie_cli.services.pictures.generate import Generate
from perkie_cli.services.pictures.plan import PicturePlan
from perkie_cli.system.waiting import uninterrupted

# Of one job. Answers of 1 GB were fetched, of 1.2 GB never
# (https://discuss.ai.google.dev/t/gemini-batch-api-succeeded-image-batch-jobs-unretrievable-batches-get-503s-at-the-default-deadline-and-504s-at-extended-deadlines-results-billed-inaccessible/174261).
MOST_ANSWERS = 800_000_000  # bytes
MOST_REQUESTS = 1_000_000_000  # bytes; 2 GB are allowed
# Errors after which there is no job for sure.
REFUSALS = (UpstreamRefused, UpstreamOverloaded, UpstreamExhausted, NotAuthorised, BadInput, UsageError)


@dataclass(slots=True)
class Requests:
    """The requests of one job so far, in a file. ``places`` and ``pictures`` in the order of its lines."""

    path: Path
    model: str
    places: list[tuple[int, Job]] = field(default_factory=list)
    pictures: list[OrderedPicture] = field(default_factory=list)
    bytes: int = 0
    answers: int = 0
    spent: Decimal | None = None  # of the day, when the first one was added; booking looks again
    held: ExitStack = field(default_factory=ExitStack)  # their part of the budget

    @property
    def usd(self) -> Decimal:
        """Their price."""
        return sum((each.usd for each in self.pictures), Decimal(0))

    @property
    def full(self) -> bool:
        """Whether another one could be too much."""
        return self.answers >= MOST_ANSWERS or self.bytes >= MOST_REQUESTS


@frozen
class Placed:
    """An order. ``doubt``: the error that leaves open whether its job was created."""

    order: Order
    doubt: PerkieError | None = None


class Placing:
    """Places the orders of one run, within ``budget`` and the day's ``cap``."""

    def __init__(
        self,
        api: BatchApi,
        book: OrderBook,
        ledger: SpendLedger,
        generate: Generate,
        clock: Clock,
        io: Workers,
        cap: Decimal,
        budget: Budget,
    ) -> None:
        self._api = api
        self._book = book
        self._ledger = ledger
        self._generate = generate
        self._clock = clock
        self._io = io
        self._cap = cap
        self._budget = budget
        self._ordered = ExitStack()  # what was ordered counts against the budget until the run ends

    async def add(self, requests: Requests, place: int, job: Job, plan: PicturePlan) -> None:
        """Adds the request for one picture.

        Raises: BadInput, BudgetExceeded, DailyCapReached.
        """
        usd = self._api.price(plan.size, requests.model)
        now = self._clock.now()
        if requests.spent is None:
            requests.spent = await self._ledger.spent(now.date())
        spent = requests.spent + requests.usd
        if spent + usd > self._cap:
            raise daily_cap_reached(spent, self._cap, now)
        with ExitStack() as held:
            held.enter_context(self._budget.hold(usd))
            question = await self._api.question(await self._generate.deferred(plan))
            row = {"key": str(len(requests.pictures)), "request": question}
            write = append_line if requests.pictures else write_line
            requests.bytes = await self._io.run(write, requests.path, row)
            requests.held.push(held.pop_all())
        requests.answers += self._api.answer_bytes(plan.size, requests.model)
        key = plan.key
        requests.pictures.append(OrderedPicture(key.hash, key.style, key.fingerprint, plan.size, "", usd))
        requests.places.append((place, job))

    async def place(self, requests: Requests) -> Placed:
        """Uploads the file and creates the job.

        Raises: upstream and store errors, DailyCapReached: then nothing was ordered.
        """
        with requests.held:
            placed = await self._placed(requests)
            self._ordered.push(requests.held.pop_all())
        return placed

    def close(self) -> None:
        """Frees the budget."""
        self._ordered.close()

    async def _placed(self, requests: Requests) -> Placed:
        now = self._clock.now()
        id_ = f"perkie-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        file = await patiently(self._clock, lambda: self._api.upload(requests.path, id_))
        try:
            pictures = await self._booked(requests)
            order = Order(id_, requests.model, now, pictures, file)
            try:
                await self._book.put(order)
                return await self._created(order)
            except (*REFUSALS, StoreUnavailable):
                await uninterrupted(self._undo(order))
                raise
        except PerkieError:
            with suppress(PerkieError):
                await self._api.delete(None, [file])
            raise

    async def _created(self, order: Order) -> Placed:
        """A broken connection says nothing about the job: the next run looks for it. Raises: ``REFUSALS``."""
        try:
            job = await self._api.create(order.model, order.file, order.id)
        except REFUSALS:
            raise
        except PerkieError as error:
            return Placed(order, error)
        order = order.seen(job)
        try:
            await self._book.put(order)
        except StoreUnavailable as error:
            return Placed(order, error)
        return Placed(order)

    async def _booked(self, requests: Requests) -> tuple[OrderedPicture, ...]:
        """Books every picture or none."""
        booked: list[OrderedPicture] = []
        try:
            for each in requests.pictures:
                booking = await self._ledger.reserve(Purchase(requests.model, each.style), each.usd, self._cap)
                booked.append(_booked_as(each, booking))
        except BaseException:
            await uninterrupted(self._release(booked))
            raise
        return tuple(booked)

    async def _undo(self, order: Order) -> None:
        await self._release(order.pictures)
        with suppress(PerkieError):
            await self._book.remove(order)

    async def _release(self, pictures: Sequence[OrderedPicture]) -> None:
        await release(self._ledger, pictures)


async def release(ledger: SpendLedger, pictures: Sequence[OrderedPicture]) -> None:
    """Takes the bookings back: nothing was ordered. A store that is down leaves them as possible spend."""
    with suppress(PerkieError):
        for each in pictures:
            await ledger.settle(each.booking, Usage(), drawn=False)


def _booked_as(its: OrderedPicture, booking: str) -> OrderedPicture:
    return OrderedPicture(its.hash, its.style, its.fingerprint, its.size, booking, its.usd)
