from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from perkie_cli.domain.money.report import forecast, grouped, total
from perkie_cli.domain.money.spend import Spend

TODAY = date(2026, 11, 21)


def spend(days_ago: int, usd: str, *, style: str = "ink_wash", calls: int = 1, pictures: int = 1) -> Spend:
    day = TODAY - timedelta(days=days_ago)
    return Spend(day, "m", style, calls, pictures, Decimal(usd), Decimal(0), Decimal(0), 0, 0)


def test_totals_by_any_columns() -> None:
    rows = [spend(1, "2"), spend(1, "3", style="van_gogh"), spend(0, "5", calls=4, pictures=2)]
    assert {key: each.usd for key, each in grouped(rows, ["day"]).items()} == {("2026-11-20",): 5, ("2026-11-21",): 5}
    assert list(grouped(rows, ["style", "day"])) == [
        ("ink_wash", "2026-11-20"), ("ink_wash", "2026-11-21"), ("van_gogh", "2026-11-20")
    ]  # fmt: skip
    assert total(rows).usd_per_thousand == Decimal(2500)
    assert total([]).usd_per_thousand is None


def test_the_forecast_is_of_finished_days_and_counts_those_without_calls() -> None:
    rows = [spend(40, "100"), spend(6, "7"), spend(3, "7"), spend(0, "50")]
    ahead = forecast(rows, TODAY, Decimal(10))
    assert (ahead.days, ahead.usd_per_day, ahead.usd_per_month, ahead.share_of_cap) == (
        7,
        Decimal(2),
        Decimal(60),
        Decimal("0.2"),
    )


def test_a_young_shop_is_not_told_of_days_before_its_first_call() -> None:
    assert forecast([spend(2, "6")], TODAY, Decimal(0)).usd_per_day == 3
    assert forecast([spend(0, "6")], TODAY, Decimal(10)).days == 0


def test_calls_are_told_apart_by_their_outcome() -> None:
    row = Spend(TODAY, "m", "ink_wash", 6, 3, Decimal(21), Decimal(8), Decimal(1), 0, 0, possible_calls=2)
    groups = grouped([row, spend(0, "4")], ["outcome", "engine"])
    assert [(*key, each.calls, each.pictures, int(each.usd)) for key, each in groups.items()] == [
        ("picture", "gemini", 4, 4, 16),
        ("possible", "gemini", 2, 0, 8),
        ("wasted", "gemini", 1, 0, 1),
    ]
    assert sum(each.usd for each in groups.values()) == 25
