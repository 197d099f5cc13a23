"""Dollars that upstream calls take: what a run may spend, and what one picture took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_UP, Decimal

from perkie_cli.domain.errors import BudgetExceeded, DailyCapReached

NANO = Decimal(10) ** 9  # ledgers keep whole nanodollars: prices a token are a few hundred of them


def nanodollars(usd: Decimal) -> int:
    """Rounded up, so that nothing is spent unseen."""
    return int((usd * NANO).to_integral_value(ROUND_UP))


def daily_cap_reached(spent: Decimal, cap: Decimal, now: datetime) -> DailyCapReached:
    """The refusal that every ledger gives, to be raised; the day is UTC."""
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return DailyCapReached(
        f"{dollars(spent)} of today's {dollars(cap)} for pictures is spent",
        hint="Raise gemini.daily_cap_usd, or wait for the next day (UTC).",
        retry_after=(midnight - now).total_seconds(),
    )


def dollars(amount: Decimal) -> str:
    """``$0.0357``, ``$12.50``: at least cents, at most a hundredth of a cent."""
    text = f"{amount:.4f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents.ljust(2, '0')}"


@dataclass(frozen=True, slots=True)
class Usage:
    """What upstream calls of one generation took. ``cost_usd`` counts possible spend of timed-out attempts too."""

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
    """What all calls of one run together may take, in dollars. What is under way counts in full.

    For one event loop: nothing is awaited between looking and taking.
    """

    def __init__(self, ceiling: Decimal) -> None:
        self.ceiling = ceiling
        self.spent = Decimal(0)
        self._held = Decimal(0)

    @contextmanager
    def hold(self, amount: Decimal) -> Iterator[None]:
        """Keeps ``amount`` for a call while it runs; what it took is told to ``pay``.

        Raises: BudgetExceeded, when it does not fit any more.
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
        """Books what a call took, or may have taken."""
        self.spent += amount


@dataclass(slots=True)
class Receipt:
    """What the upstream calls for one picture took so far, and the budget they draw on.

    It is filled in as answers arrive, so that a picture that failed in the end still says what it cost.
    """

    budget: Budget | None = None
    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> None:
        """Books one call's part."""
        self.usage = self.usage + usage
        if self.budget is not None:
            self.budget.pay(usage.cost_usd)


@dataclass(frozen=True, slots=True)
class Spend:
    """One day's calls to one model. ``possible_usd`` (part of ``usd``): calls whose end is not known, such as timeouts,
    which may have been billed; booked at their full price.
    """

    day: date  # UTC
    model: str
    calls: int
    usd: Decimal
    possible_usd: Decimal
    input_tokens: int
    output_tokens: int
