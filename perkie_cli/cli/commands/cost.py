"""``perkie cost``: what pictures will cost by each strategy, and what they did cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from perkie_cli.cli import making
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import IF_ANY
from perkie_cli.cli.session import run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.money.report import Column, Forecast, SpendTotal, forecast, grouped, total
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.money.strategies import (
    Assumptions,
    StrategyCost,
    affordable_hit_rate,
    compare,
    sensitivity,
)
from perkie_cli.domain.picture import DEFAULT_SIZE

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

MONTH = 30  # days
TOO_MANY = 10**12
RATES = [Decimal(rate) / 100 for rate in (0, 30, 60, 90)]
COLUMNS: tuple[Column, ...] = get_args(Column)

app = typer.Typer(help="Estimate what strategies cost, and report what was spent.")


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """What a strategy costs a day. Counts are expected values; ``break_even`` is a hit rate, 0..1."""

    strategy: str
    pictures: Decimal
    waited_for: Decimal
    unseen: Decimal
    usd: Decimal
    usd_per_photo: Decimal
    break_even: Decimal | None


@dataclass(frozen=True, slots=True)
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
            outcome=columns.get("outcome"),  # type: ignore[arg-type]  # by_outcome has no other
        )  # fmt: skip


def _share(given: str | Decimal) -> Decimal:
    """Reads ``0.3`` or ``30%``; a default comes as a number."""
    text = str(given)
    number = _decimal(text.removesuffix("%"))
    if number is None:
        raise InvalidParameter(f"{text!r} is not a share", hint="Write 0.3 or 30%.")
    return number / 100 if text.endswith("%") else number


def _number(given: str | Decimal) -> Decimal:
    """Reads a count that may be a mean, such as ``1.5``; a default comes as a number."""
    number = _decimal(str(given))
    if number is None:
        raise InvalidParameter(f"{str(given)!r} is not a number of 0 or more")
    return number


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number < TOO_MANY else None


@app.command()
def estimate(
    ctx: typer.Context,
    customers: Annotated[
        Decimal, typer.Option(parser=_number, metavar="N", help="Customers a day who upload a photo.")
    ] = Decimal(1000),
    photos: Annotated[Decimal, typer.Option(parser=_number, metavar="N", help="Photos of each customer.")] = Decimal(1),
    views: Annotated[
        Decimal, typer.Option(parser=_number, metavar="N", help="Styles of a photo that a customer looks at (mean).")
    ] = Decimal("1.5"),
    hit_rate: Annotated[
        Decimal, typer.Option(parser=_share, metavar="SHARE", help="Share of pictures that the cache has already.")
    ] = Decimal("0.3"),
    waste: Annotated[
        Decimal,
        typer.Option(parser=_share, metavar="SHARE", help="Share of paid calls without a picture: blocks, timeouts."),
    ] = Decimal("0.02"),
    size: making.Size = None,
    model: making.Model = None,
) -> None:
    """Compare the strategies on_demand, hybrid and pregenerate. All figures follow from the assumptions shown.

    Examples:

      perkie cost estimate --customers 1000 --hit-rate 30%

      perkie cost estimate --customers 300 --views 2 --size 2K --json
    """

    async def work(services: Services) -> Report:
        named = services.models.get(model or services.settings.gemini.model, services.clock.now().date())
        image_size = named.image_size(size or services.settings.style.size or DEFAULT_SIZE)
        styles = services.styles.all()
        given = Assumptions(
            photos=customers * photos,
            styles=len(styles),
            popular=sum(each.popular for each in styles),
            views=views,
            hit_rate=hit_rate,
            price=named.price(image_size),
            waste=waste,
        )
        return _estimate(given, f"{named.id} at {image_size}", services.settings.gemini.daily_cap_usd)

    run(ctx, work)


def _estimate(given: Assumptions, model: str, cap: Decimal) -> Report:
    costs = compare(given)
    needed = {each.strategy: affordable_hit_rate(given, each.strategy, cap) for each in costs}
    summary = {
        "model": model,
        "photos_per_day": given.photos,
        "styles": given.styles,
        "popular_styles": given.popular,
        "views_per_photo": given.views,
        "hit_rate": given.hit_rate,
        "waste": given.waste,
        "usd_per_picture": given.price,
        "daily_cap_usd": cap,
        "hit_rate_within_cap": needed,
    }
    assumed = (
        f"assumed: {_short(given.photos)} photos a day, {given.styles} styles ({given.popular} popular), "
        f"{_short(given.views)} looked at, {_percent(given.hit_rate)} of pictures in the cache, "
        f"{_percent(given.waste)} of calls wasted, {dollars(given.price)} a picture ({model})"
    )
    rows = [
        StrategyRow(
            each.strategy, each.pictures, each.waited_for, each.unseen, each.usd, each.per_photo(given.photos),
            each.break_even,
        )
        for each in costs
    ]  # fmt: skip
    within = ", ".join(f"{name} from {_percent(rate)}" for name, rate in needed.items())
    even = "breaks even: the share in the cache at which it would cost what on_demand does now"
    within_cap = f"within the cap of {dollars(cap)} a day: {within} in the cache"
    return Report(rows, summary, [assumed, "", _side_by_side(costs), "", _by_hit_rate(given), "", even, within_cap])


def _side_by_side(costs: Sequence[StrategyCost]) -> Table:
    columns = ("strategy", "pictures", "waited for", "never seen", "a day", "a month", "breaks even")
    rows = [
        (
            each.strategy,
            _short(each.pictures),
            _short(each.waited_for),
            _short(each.unseen),
            _money(each.usd),
            _money(each.usd * MONTH),
            "" if each.break_even is None else _percent(each.break_even),
        )
        for each in costs
    ]
    return Table(columns, rows, frozenset(columns[1:]))


def _by_hit_rate(given: Assumptions) -> Table:
    rows = []
    for rate, costs in sensitivity(given, RATES):
        rows.append((_percent(rate), *(_money(each.usd) for each in costs)))
    columns = ("in the cache", *(f"{each.strategy} a day" for each in compare(given)))
    return Table(columns, rows, frozenset(columns))


@app.command()
def report(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=400, metavar="N", help="The last N days (UTC), today included.")] = 7,
    by: Annotated[
        str, typer.Option(metavar="COLUMN[,COLUMN…]", help=f"Sum up by these: {', '.join(COLUMNS)}.")
    ] = "day,model",
) -> None:
    """Show what upstream calls cost: pictures, wasted and possible spend, and the forecast against the daily cap.

    Possible spend is of calls whose outcome is unknown, such as timeouts: they may have been billed. Who it was for
    is not booked: the ledger outlives the erasure of a customer.

    Examples:

      perkie cost report

      perkie cost report --days 30 --by style,model --json

      perkie cost report --by outcome,style
    """
    columns = _columns(by)

    async def work(services: Services) -> Report:
        today = services.clock.now().date()
        return await _spent(services, today - timedelta(days=days - 1), today, columns)

    run(ctx, work)


def _columns(text: str) -> Sequence[Column]:
    named = [name.strip() for name in text.split(",")]
    chosen = [column for name in named for column in COLUMNS if column == name]
    if len(chosen) < len(named) or len(set(chosen)) < len(chosen):
        raise InvalidParameter(f"--by {text[:60]!r} is no list of columns", hint=f"Columns: {', '.join(COLUMNS)}.")
    return chosen


async def _spent(services: Services, first: date, today: date, columns: Sequence[Column]) -> Report:
    cap = services.settings.gemini.daily_cap_usd
    rows = await services.ledger.report(min(first, today - timedelta(days=7)), today)
    shown = [each for each in rows if each.day >= first]
    so_far, ahead = total([each for each in rows if each.day == today]).usd, forecast(rows, today, cap)
    whole = total(shown)
    summary = {
        "from": first,
        "to": today,
        "total": whole,
        "usd_per_thousand": whole.usd_per_thousand,
        "usd_today": so_far,
        "daily_cap_usd": cap,
        "forecast": ahead,
    }
    heads = (*columns, "calls", "pictures", "cost", "wasted", "possible", "per 1,000")
    groups = grouped(shown, columns)
    lines = [
        (*key, each.calls, each.pictures, dollars(each.usd), dollars(each.wasted_usd), dollars(each.possible_usd),
         "" if each.usd_per_thousand is None else _money(each.usd_per_thousand))
        for key, each in groups.items()
    ]  # fmt: skip
    results = [SpendRow.of(dict(zip(columns, key, strict=True)), each) for key, each in groups.items()]
    ends = [f"today {dollars(so_far)} of the cap of {dollars(cap)}; {first} to {today}: {dollars(whole.usd)}"]
    if ahead.days:
        ends.append(_told(ahead))
    if not shown:
        return Report(results, summary, ["nothing was spent", *ends])
    return Report(results, summary, [Table(heads, lines, frozenset(heads[len(columns) :])), "", *ends])


def _told(ahead: Forecast) -> str:
    of_cap = "" if ahead.share_of_cap is None else f", {_percent(ahead.share_of_cap)} of the cap"
    mean = f"mean of the last {ahead.days} finished days: {dollars(ahead.usd_per_day)} a day{of_cap}"
    return f"{mean}; {_money(ahead.usd_per_month)} a month at that rate"


def _percent(share: Decimal) -> str:
    return f"{share * 100:.0f}%"


def _short(number: Decimal) -> str:
    return f"{number:,.1f}".removesuffix(".0")


def _money(usd: Decimal) -> str:
    return f"${usd:,.2f}"
