"""``perkie cost report``: what upstream calls cost, by columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import IF_ANY
from perkie_cli.cli.table import Table
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import (
    OTHERS,
    RECENT,
    UNNAMED,
    Column,
    Forecast,
    SpendTotal,
    apart,
    dearest,
    forecast,
    grouped,
    total,
)
from perkie_cli.domain.money.spend import Spend, dollars
from perkie_cli.domain.people.identity import Owner

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services


@frozen
class SpendRow:
    """Spending, summed up by the columns that were asked for."""

    calls: int
    pictures: int
    usd: Decimal
    possible_usd: Decimal
    wasted_usd: Decimal
    usd_per_thousand: Decimal | None
    day: date | None = field(default=None, metadata=IF_ANY)
    model: str | None = field(default=None, metadata=IF_ANY)
    style: str | None = field(default=None, metadata=IF_ANY)
    engine: str | None = field(default=None, metadata=IF_ANY)
    customer: str | None = field(default=None, metadata=IF_ANY)
    outcome: Literal["picture", "wasted", "possible"] | None = field(default=None, metadata=IF_ANY)

    @classmethod
    def of(cls, columns: Mapping[str, str], total: SpendTotal) -> SpendRow:
        """The row of a total; ``columns`` by name."""
        return cls(
            total.calls, total.pictures, total.usd, total.possible_usd, total.wasted_usd, total.usd_per_thousand,
            day=date.fromisoformat(columns["day"]) if "day" in columns else None,
            model=columns.get("model"),
            style=columns.get("style"),
            engine=columns.get("engine"),
            customer=columns.get("customer"),
            outcome=columns.get("outcome"),  # type: ignore[arg-type]  # by_outcome has no other
        )  # fmt: skip


@frozen
class Chosen:
    """What to show: the days from ``first`` to ``today``, of all or one ``owner``; the ``limit`` dearest customers."""

    first: date
    today: date
    columns: Sequence[Column]
    owner: Owner | None
    limit: int

    @property
    def by_customer(self) -> bool:
        """Whether customers are told apart."""
        return self.owner is not None or "customer" in self.columns

    @property
    def whose(self) -> str:
        """`` for customer 42``, or nothing."""
        return f" for {self.owner.tier} {self.owner.id}" if self.owner is not None else ""


async def spending(services: Services, chosen: Chosen) -> Report:
    """The report. Raises: StoreUnavailable, NotAuthorised."""
    first, today, cap = chosen.first, chosen.today, services.settings.gemini.daily_cap_usd
    rows = await services.ledger.report(min(first, today - timedelta(days=RECENT)), today)
    if chosen.by_customer:
        shown = await services.ledger.report_by_customer(first, today, chosen.owner)
    else:
        shown = [each for each in rows if each.day >= first]
    whole, ahead = total(shown), forecast(rows, today, cap)
    so_far = total([each for each in rows if each.day == today]).usd
    summary = {
        "from": first,
        "to": today,
        "total": whole,
        "usd_per_thousand": whole.usd_per_thousand,
        "usd_today": so_far,
        "daily_cap_usd": cap,
        "forecast": ahead,
    }
    customers = dearest(shown)
    groups = _groups(shown, chosen, customers)
    results = [SpendRow.of(dict(zip(chosen.columns, key, strict=True)), each) for key, each in groups.items()]
    spent = f"{first} to {today}: {dollars(whole.usd)}{chosen.whose}"
    ends = [f"today {dollars(so_far)} of the cap of {dollars(cap)}; {spent}"]
    if ahead.days:
        ends.append(_told(ahead))
    if (count := len(customers)) > chosen.limit and "customer" in chosen.columns:
        ends.append(f"{OTHERS}: {count - chosen.limit} of {count} customers and sessions; --limit {count} shows all")
    if not shown:
        return Report(results, summary, [f"nothing was spent{chosen.whose}", *ends])
    return Report(results, summary, [_table(chosen.columns, groups), "", *ends])


def _groups(shown: Sequence[Spend], chosen: Chosen, customers: Sequence[str]) -> Mapping[tuple[str, ...], SpendTotal]:
    named = customers[: chosen.limit]
    return grouped(apart(shown, named), chosen.columns, [*named, OTHERS, UNNAMED])


def _table(columns: Sequence[Column], groups: Mapping[tuple[str, ...], SpendTotal]) -> Table:
    """A customer has few pictures: the price of one says more than that of a thousand."""
    single = "customer" in columns
    heads = (*columns, "calls", "pictures", "cost", "wasted", "possible", "a picture" if single else "per 1,000")
    lines = [
        (*key, each.calls, each.pictures, dollars(each.usd), dollars(each.wasted_usd), dollars(each.possible_usd),
         _rate(each.usd_per_thousand, single=single))
        for key, each in groups.items()
    ]  # fmt: skip
    return Table(heads, lines, frozenset(heads[len(columns) :]))


def _rate(usd_per_thousand: Decimal | None, *, single: bool) -> str:
    if usd_per_thousand is None:
        return ""
    return dollars(usd_per_thousand / 1000) if single else money(usd_per_thousand)


def _told(ahead: Forecast) -> str:
    of_cap = "" if ahead.share_of_cap is None else f", {percent(ahead.share_of_cap)} of the cap"
    mean = f"mean of the last {ahead.days} finished days: {dollars(ahead.usd_per_day)} a day{of_cap}"
    return f"{mean}; {money(ahead.usd_per_month)} a month at that rate"


def percent(share: Decimal) -> str:
    """``30%``."""
    return f"{share * 100:.0f}%"


def money(usd: Decimal) -> str:
    """``$1,234.50``."""
    return f"${usd:,.2f}"
