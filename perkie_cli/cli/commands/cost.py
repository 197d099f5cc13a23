"""``perkie cost``: what pictures will cost by each strategy, and what they did cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from perkie_cli.cli import making
from perkie_cli.cli.choices import owner_of
from perkie_cli.cli.money.spending import Chosen, money, percent, spending
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import LONGEST, Column
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


@frozen
class StrategyRow:
    """What a strategy costs a day. Counts are expected values; ``break_even`` is a hit rate, 0..1."""

    strategy: str
    pictures: Decimal
    waited_for: Decimal
    unseen: Decimal
    usd: Decimal
    usd_per_photo: Decimal
    break_even: Decimal | None


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
        f"{_short(given.views)} looked at, {percent(given.hit_rate)} of pictures in the cache, "
        f"{percent(given.waste)} of calls wasted, {dollars(given.price)} a picture ({model})"
    )
    rows = [
        StrategyRow(
            each.strategy, each.pictures, each.waited_for, each.unseen, each.usd, each.per_photo(given.photos),
            each.break_even,
        )
        for each in costs
    ]  # fmt: skip
    within = ", ".join(f"{name} from {percent(rate)}" for name, rate in needed.items())
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
            money(each.usd),
            money(each.usd * MONTH),
            "" if each.break_even is None else percent(each.break_even),
        )
        for each in costs
    ]
    return Table(columns, rows, frozenset(columns[1:]))


def _by_hit_rate(given: Assumptions) -> Table:
    rows = []
    for rate, costs in sensitivity(given, RATES):
        rows.append((percent(rate), *(money(each.usd) for each in costs)))
    columns = ("in the cache", *(f"{each.strategy} a day" for each in compare(given)))
    return Table(columns, rows, frozenset(columns))


@app.command()
def report(
    ctx: typer.Context,
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST.days, metavar="N", help="The last N days (UTC), today included.")
    ] = 7,
    by: Annotated[
        str, typer.Option(metavar="COLUMN[,COLUMN…]", help=f"Sum up by these: {', '.join(COLUMNS)}.")
    ] = "day,model",
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only what this customer cost.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only what this session cost.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="By customer: the N dearest, others in one sum.")] = 10,
) -> None:
    """Show what upstream calls cost: pictures, wasted and possible spend, and the forecast against the daily cap.

    Possible spend is of calls whose outcome is unknown, such as timeouts: they may have been billed. A customer's is
    what it asked for itself. Unnamed: warming, requests without an id, and whoever was erased.

    Examples:

      perkie cost report

      perkie cost report --days 30 --by style,model --json

      perkie cost report --by outcome,style

      perkie cost report --days 1 --by customer --limit 5
    """
    columns, owner = _columns(by), owner_of(customer, session)

    async def work(services: Services) -> Report:
        today = services.clock.now().date()
        return await spending(services, Chosen(today - timedelta(days=days - 1), today, columns, owner, limit))

    run(ctx, work)


def _columns(text: str) -> Sequence[Column]:
    named = [name.strip() for name in text.split(",")]
    chosen = [column for name in named for column in COLUMNS if column == name]
    if len(chosen) < len(named) or len(set(chosen)) < len(chosen):
        raise InvalidParameter(f"--by {text[:60]!r} is no list of columns", hint=f"Columns: {', '.join(COLUMNS)}.")
    return chosen


def _short(number: Decimal) -> str:
    return f"{number:,.1f}".removesuffix(".0")
