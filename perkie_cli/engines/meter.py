"""Books every paid call in the ledger: at its full price before the call, at its actual cost afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal

from perkie_cli.domain.events import Spent, StoreAnswered, StoreFailed
from perkie_cli.domain.money.spend import Purchase, Receipt, Usage
from perkie_cli.ports import STORE_DOWN, EventSink, SpendLedger


@dataclass(slots=True)
class Bill:
    """The cost of one call: nothing until it is ``sent``, then None while it is unknown, as after a timeout.

    ``drawn``: it brought a picture.
    """

    usage: Usage | None = field(default_factory=Usage)
    drawn: bool = False

    def sent(self) -> None:
        """From now on the call may be charged."""
        self.usage = None


class Meter:
    """The ledger and the daily cap in dollars for paid calls."""

    def __init__(self, ledger: SpendLedger, cap: Decimal, events: EventSink) -> None:
        self._ledger = ledger
        self._cap = cap
        self._events = events

    @asynccontextmanager
    async def call(self, purchase: Purchase, price: Decimal, receipt: Receipt) -> AsyncIterator[Bill]:
        """Books the call made in the block. A bill without usage at the end counts in full: it may be charged.

        Raises: BudgetExceeded, DailyCapReached or StoreUnavailable, before anything is sent.
        """
        with receipt.budget.hold(price) if receipt.budget is not None else nullcontext():
            booking = await self._reserve(purchase, price)
            bill = Bill()
            try:
                yield bill
            finally:
                usage = bill.usage or Usage(attempts=1, cost_usd=price)
                receipt.add(usage)
                if usage.attempts:
                    self._events.emit(
                        Spent(
                            purchase.model,
                            usage.cost_usd,
                            bill.usage is None,
                            usage.input_tokens,
                            usage.output_tokens,
                        )
                    )
                if bill.usage is not None:
                    await self._settle(booking, bill.usage, bill.drawn)

    async def _reserve(self, purchase: Purchase, price: Decimal) -> str:
        try:
            booking = await self._ledger.reserve(purchase, price, self._cap)
        except STORE_DOWN as error:
            self._events.emit(StoreFailed("ledger", "reserve", error.message, error.hint))
            raise
        self._events.emit(StoreAnswered("ledger"))
        return booking

    async def _settle(self, booking: str, usage: Usage, drawn: bool) -> None:
        """Settles the booking. No error here may lose the picture; the booking then stays at its full price."""
        try:
            await self._ledger.settle(booking, usage, drawn=drawn)
        except Exception as error:  # noqa: BLE001
            self._events.emit(StoreFailed("ledger", "settle", str(error) or type(error).__name__))
