from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.money.strategies import Assumptions, affordable_hit_rate, compare

D = Decimal
SHOP = Assumptions(
    photos=D(1000), styles=3, popular=2, views=D("1.5"), hit_rate=D("0.3"), price=D("0.0357"), waste=D("0.02")
)
shares = st.decimals(0, "0.99", places=2)
shops = st.builds(
    lambda styles, popular, views, photos, hits, price, waste: Assumptions(
        photos, styles, min(popular, styles), views * styles, hits, price, waste
    ),
    st.integers(1, 9), st.integers(0, 9), shares, st.decimals(0, 10**6, places=1), shares,
    st.decimals("0.001", 1, places=4), shares,
)  # fmt: skip


def test_the_three_strategies_of_a_usual_day() -> None:
    costs = {each.strategy: each for each in compare(SHOP)}
    assert [each.pictures for each in costs.values()] == [1050, 1400, 2100]
    assert [each.waited_for for each in costs.values()] == [1050, 0, 0]
    assert [each.unseen for each in costs.values()] == [0, 350, 1050]
    assert costs["on_demand"].usd == D(1050) * D("0.0357") / D("0.98")
    assert costs["pregenerate"].break_even == D("0.65")


@given(shops)
def test_drawing_ahead_never_costs_less_and_never_makes_anybody_wait_longer(shop: Assumptions) -> None:
    on_demand, hybrid, pregenerate = compare(shop)
    assert on_demand.usd <= hybrid.usd <= pregenerate.usd
    assert on_demand.waited_for >= hybrid.waited_for >= pregenerate.waited_for >= 0
    assert on_demand.unseen == 0


@given(shops)
def test_at_its_break_even_a_strategy_costs_what_on_demand_costs_now(shop: Assumptions) -> None:
    for each in compare(shop):
        if each.break_even is not None:
            then = {c.strategy: c for c in compare(replace(shop, hit_rate=each.break_even))}[each.strategy]
            assert abs(then.usd - compare(shop)[0].usd) < D("1e-12") * (1 + then.usd)


@given(shops, st.decimals("0.01", 1000, places=2))
def test_the_affordable_hit_rate_keeps_a_day_within_its_cap(shop: Assumptions, cap: Decimal) -> None:
    for each in compare(shop):
        rate = affordable_hit_rate(shop, each.strategy, cap)
        then = {c.strategy: c for c in compare(replace(shop, hit_rate=rate))}[each.strategy]
        assert then.usd <= cap * (1 + D("1e-12"))
        if rate > 0:
            assert abs(then.usd - cap) <= cap * D("1e-12"), "a lower rate would be affordable"


@pytest.mark.parametrize(
    "wrong",
    [{"views": D(4)}, {"hit_rate": D("1.1")}, {"waste": D(1)}, {"popular": 4}, {"hit_rate": D("-0.1")}],
)
def test_impossible_assumptions_are_refused(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(InvalidParameter):
        replace(SHOP, **wrong)  # type: ignore[arg-type]
