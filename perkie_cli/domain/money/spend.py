"""Dollars spent on upstream calls: the budget of a run and the cost of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_UP, Decimal

from perkie_cli.domain.errors import BudgetExceeded, DailyCapReached
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import ANONYMOUS, Owner, Tier

NANO = Decimal(10) ** 9  # ledgers count whole nanodollars: one token costs a few hundred


def nanodollars(usd: Decimal) -> int:
    """Nanodollars, rounded up so that no spending is lost."""
    return int((usd * NANO).to_integral_value(ROUND_UP))


def daily_cap_reached(spent: Decimal, cap: Decimal, now: datetime) -> DailyCapReached:
    """The error that every ledger raises at the cap; the day is UTC."""
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return DailyCapReached(
        f"{dollars(spent)} of today's {dollars(cap)} for pictures is spent",
        hint="Raise gemini.daily_cap_usd, or wait for the next day (UTC).",
        retry_after=(midnight - now).total_seconds(),
    )


def dollars(amount: Decimal) -> str:
    """``$0.0357``, ``$12.50``: two to four decimals."""
    text = f"{amount:.4f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


@frozen
class Usage:
    """What one generation used upstream. ``cost_usd`` includes the possible cost of timed-out attempts."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.attempts + other.attempts,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


class Budget:
    """The spending limit of one run, in dollars. Calls in progress count at their full price.

    For one event loop only: there is no ``await`` between the check and the booking.
    """

    def __init__(self, ceiling: Decimal) -> None:
        self.ceiling = ceiling
        self.spent = Decimal(0)
        self._held = Decimal(0)

    @property
    def left(self) -> Decimal:
        """What is neither spent nor held."""
        return self.ceiling - self.spent - self._held

    @contextmanager
    def hold(self, amount: Decimal) -> Iterator[None]:
        """Reserves ``amount`` for the duration of a call; ``pay`` books the actual cost.

        Raises: BudgetExceeded, when too little is left.
        """
        if self.spent + self._held + amount > self.ceiling:
            raise BudgetExceeded(
                f"a picture for {dollars(amount)} does not fit the budget of {dollars(self.ceiling)}, "
                f"of which {dollars(self.spent)} is spent",
                hint="Nothing was sent. Raise --budget, or use --engine local, which costs nothing.",
            )
        self._held += amount
        try:
            yield
        finally:
            self._held -= amount

    def pay(self, amount: Decimal) -> None:
        """Books the actual or possible cost of a call."""
        self.spent += amount

    def part(self) -> Budget:
        """A part for one picture: what it spends is counted here too, and its limit is what is left here."""
        return _Part(self)


class _Part(Budget):
    def __init__(self, whole: Budget) -> None:
        super().__init__(whole.ceiling)
        self._whole = whole

    @property
    def left(self) -> Decimal:
        return self._whole.left

    @contextmanager
    def hold(self, amount: Decimal) -> Iterator[None]:
        with self._whole.hold(amount):
            yield

    def pay(self, amount: Decimal) -> None:
        super().pay(amount)
        self._whole.pay(amount)


@dataclass(slots=True)
class Receipt:
    """The cost of one picture's upstream calls so far, and the budget that pays for them.

    It is filled in as answers arrive, so that a picture that fails in the end still has its cost.
    """

    budget: Budget | None = None
    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> None:
        """Adds one call."""
        self.usage = self.usage + usage
        if self.budget is not None:
            self.budget.pay(usage.cost_usd)


@frozen
class Purchase:
    """What an upstream call is made for, and whose request it is."""

    model: str
    style: str
    owner: Owner = ANONYMOUS

    @property
    def name(self) -> str:
        """The name that it is booked in, until an erasure takes it off: ``customer:42`` or ``session:s1``. Empty for
        everybody else: nobody could ask for the erasure of an address.
        """
        return "" if self.owner.tier is Tier.IP else str(self.owner)


@frozen
class Spend:
    """One day's calls to one model for one style (empty: from before styles were booked); ``pictures`` came of them.

    Parts of ``usd``: ``possible_usd``, calls with unknown outcome, such as timeouts, which may have been billed and
    are booked at their full price; ``wasted_usd``, calls that were billed and brought no picture, such as blocks.
    ``customer``: the purchase's name, in a report by customer; empty where there is none, or none any more.
    """

    day: date  # UTC
    model: str
    style: str
    calls: int
    pictures: int
    usd: Decimal
    possible_usd: Decimal
    wasted_usd: Decimal
    input_tokens: int
    output_tokens: int
    possible_calls: int = 0
    customer: str = ""
    engine: str = "gemini"  # the only one that costs money

    def by_outcome(self) -> Mapping[str, Spend]:
        """Its calls apart: ``picture``, ``wasted`` and ``possible``, those of them that there are."""
        none, certain = Decimal(0), self.usd - self.possible_usd - self.wasted_usd
        wasted = self.calls - self.pictures - self.possible_calls
        parts = {
            "picture": replace(self, calls=self.pictures, usd=certain, possible_usd=none, wasted_usd=none),
            "wasted": replace(self, calls=wasted, pictures=0, usd=self.wasted_usd, possible_usd=none),
            "possible": replace(self, calls=self.possible_calls, pictures=0, usd=self.possible_usd, wasted_usd=none),
        }
        return {outcome: part for outcome, part in parts.items() if part.calls}

    def without(self, parts: Sequence[Spend]) -> Spend:
        """What is left of it without these parts of it."""
        left = {name: getattr(self, name) - sum(getattr(part, name) for part in parts) for name in _SUMMED}
        return replace(self, **left)


_SUMMED = (
    "calls", "pictures", "usd", "possible_usd", "wasted_usd", "input_tokens", "output_tokens", "possible_calls",
)  # fmt: skip
