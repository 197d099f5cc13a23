"""What was spent: the ledger's rows summed up, and how the month will end if it goes on like this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Spend

Column = Literal["day", "model", "style", "engine", "customer", "outcome"]
OTHERS, UNNAMED = "others", "unnamed"  # customers; a name has a colon
RECENT = 7  # days that the forecast looks back
MONTH = 30  # days
LONGEST = timedelta(days=400)  # of a report: a little more than a year


@frozen
class SpendTotal:
    """The calls of some days, models and styles. ``wasted_usd`` and ``possible_usd`` as in ``Spend``."""

    calls: int = 0
    pictures: int = 0
    usd: Decimal = Decimal(0)
    possible_usd: Decimal = Decimal(0)
    wasted_usd: Decimal = Decimal(0)

    @property
    def usd_per_thousand(self) -> Decimal | None:
        """Dollars for 1,000 pictures, failed calls included; None without a picture."""
        return self.usd / self.pictures * 1000 if self.pictures else None


@frozen
class Forecast:
    """The mean day of the last ``days`` finished ones, in dollars, and what follows from it."""

    days: int
    usd_per_day: Decimal
    usd_per_month: Decimal
    share_of_cap: Decimal | None  # of a day's cap; None without a cap


def total(rows: Sequence[Spend]) -> SpendTotal:
    """The sum of the rows."""
    zero = Decimal(0)
    return SpendTotal(
        sum(each.calls for each in rows),
        sum(each.pictures for each in rows),
        sum((each.usd for each in rows), zero),
        sum((each.possible_usd for each in rows), zero),
        sum((each.wasted_usd for each in rows), zero),
    )


def grouped(
    rows: Sequence[Spend], by: Sequence[Column], customers: Sequence[str] = ()
) -> dict[tuple[str, ...], SpendTotal]:
    """The totals of each combination of the columns, in order; these customers in the order given."""
    found: dict[tuple[str, ...], list[Spend]] = {}
    for row in rows:
        parts = row.by_outcome() if "outcome" in by else {"": row}
        for outcome, part in parts.items():
            key = tuple(outcome if name == "outcome" else str(getattr(part, name)) for name in by)
            found.setdefault(key, []).append(part)
    ranks = {name: rank for rank, name in enumerate(customers)}
    ordered = sorted(found, key=lambda key: [(ranks.get(each, len(ranks)), each) for each in key])
    return {key: total(found[key]) for key in ordered}


def dearest(rows: Sequence[Spend]) -> list[str]:
    """The customers and sessions by what they cost, the dearest first."""
    costs = {name: each.usd for (name,), each in grouped(rows, ["customer"]).items() if name}
    return sorted(costs, key=lambda name: (-costs[name], name))


def apart(rows: Sequence[Spend], customers: Sequence[str]) -> list[Spend]:
    """The rows with the names of these customers only: all others are ``OTHERS``, nobody is ``UNNAMED``."""
    names = {"": UNNAMED, **{name: name for name in customers}}
    return [replace(row, customer=names.get(row.customer, OTHERS)) for row in rows]


def forecast(rows: Sequence[Spend], today: date, cap: Decimal) -> Forecast:
    """From the finished days before ``today``, at most ``RECENT``; a day without calls counts, unless it was before
    the first call.
    """
    first = max(min((each.day for each in rows), default=today), today - timedelta(days=RECENT))
    days = (today - first).days
    spent = total([each for each in rows if first <= each.day < today]).usd
    mean = spent / days if days else Decimal(0)
    return Forecast(days, mean, mean * MONTH, mean / cap if cap else None)
