"""Puts every paid call on the books: before it is made at its full price, afterwards at what it took."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal

from perkie_cli.domain.events import Spent, StoreFailed
from perkie_cli.domain.money.spend import Receipt, Usage
from perkie_cli.ports import EventSink, SpendLedger


@dataclass(slots=True)
class Bill:
    """What one call took; stays None while that is not known, as after a timeout."""

    usage: Usage | None = None


class Meter:
    """The ledger and the daily cap in dollars that paid calls are held to."""

    def __init__(self, ledger: SpendLedger, cap: Decimal, events: EventSink) -> None:
        self._ledger = ledger
        self._cap = cap
        self._events = events

    @asynccontextmanager
    async def call(self, model: str, price: Decimal, receipt: Receipt) -> AsyncIterator[Bill]:
        """Around one call. A bill without usage at its end may have been charged: it counts at its full price.

        Raises: BudgetExceeded, DailyCapReached or StoreUnavailable, before anything is sent.
        """
        with receipt.budget.hold(price) if receipt.budget is not None else nullcontext():
            booking = await self._ledger.reserve(model, price, self._cap)
            bill = Bill()
            try:
                yield bill
            finally:
                usage = bill.usage or Usage(attempts=1, cost_usd=price)
                receipt.add(usage)
                self._events.emit(Spent(model, usage.cost_usd, possible=bill.usage is None))
                if bill.usage is not None:
                    await self._settle(booking, bill.usage)

    async def _settle(self, booking: str, usage: Usage) -> None:
        """The picture is not lost over what goes wrong here, whatever it is; the booking stays at its full price."""
        try:
            await self._ledger.settle(booking, usage)
        except Exception as error:  # noqa: BLE001
            self._events.emit(StoreFailed("ledger", "settle", str(error) or type(error).__name__))
