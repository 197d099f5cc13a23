"""Budgets, model data and prices."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from perkie_cli.config.models import load_models
from perkie_cli.domain.errors import BudgetExceeded, InvalidParameter, InvalidSetting, RetiredModel
from perkie_cli.domain.money.spend import Budget, Receipt, Usage, daily_cap_reached, dollars, nanodollars

TODAY = date(2026, 11, 21)
PRICE = Decimal("0.0357")


def test_a_budget_counts_what_is_under_way_in_full() -> None:
    budget = Budget(Decimal("0.08"))
    with budget.hold(PRICE), budget.hold(PRICE):
        with pytest.raises(BudgetExceeded, match=r"\$0\.08"), budget.hold(PRICE):
            raise AssertionError("it was not let in")
        budget.pay(PRICE)
    with budget.hold(PRICE):  # the other call was not billed
        pass
    assert budget.spent == PRICE


def test_a_tab_draws_on_the_budget() -> None:
    budget = Budget(Decimal(1))
    receipt = Receipt(budget)
    receipt.add(Usage(1, 10, 20, Decimal("0.3")))
    receipt.add(Usage(1, 1, 2, Decimal("0.1")))
    assert receipt.usage == Usage(2, 11, 22, Decimal("0.4"))
    assert budget.spent == Decimal("0.4")


@pytest.mark.parametrize(
    ("amount", "shown"), [("0.0357", "$0.0357"), ("10", "$10.00"), ("0.5", "$0.50"), ("0.00004", "$0.00")]
)
def test_dollars(amount: str, shown: str) -> None:
    assert dollars(Decimal(amount)) == shown


def test_the_shipped_prices() -> None:
    book = load_models()
    image_only = {m.id: m.cost(0, m.image_tokens["1K"], 0) for m in book.all()}
    assert image_only == {
        "gemini-nano-banana-2.1": Decimal("0.0336"),
        "gemini-3-pro-image": Decimal("0.1344"),
        "gemini-3.1-flash-lite-image": Decimal("0.0336"),
        "gemini-3.1-flash-image": Decimal("0.0672"),
        "gemini-2.5-flash-image": Decimal("0.0387"),
    }
    assert book.get("gemini-nano-banana-2.1", TODAY).price("1K") == PRICE
    assert "512" not in book.get("gemini-nano-banana-2.1", TODAY).image_tokens


@pytest.mark.parametrize(("side", "size"), [(64, "1K"), (1024, "1K"), (1025, "2K"), (2048, "2K"), (4096, "4K")])
def test_image_sizes(side: int, size: str) -> None:
    book = load_models()
    assert book.get("gemini-nano-banana-2.1", TODAY).image_size(side) == size
    assert book.get("gemini-3.1-flash-lite-image", TODAY).image_size(side) == "1K"


def test_a_retired_model_names_its_successor() -> None:
    book = load_models()
    assert book.get("gemini-3.1-flash-image", date(2026, 10, 28)).id == "gemini-3.1-flash-image"
    with pytest.raises(RetiredModel) as refused:
        book.get("gemini-3.1-flash-image", date(2026, 10, 29))
    assert refused.value.hint is not None
    assert "gemini-nano-banana-2.1" in refused.value.hint


def test_warnings_come_thirty_days_ahead() -> None:
    model = load_models().get("gemini-2.5-flash-image", date(2026, 8, 1))
    assert model.warning(date(2026, 9, 1)) is None
    assert "will be shut down on 2026-10-02" in (model.warning(date(2026, 9, 2)) or "")
    assert "was shut down" in (model.warning(TODAY) or "")


def test_an_unknown_model_gets_the_nearest() -> None:
    with pytest.raises(InvalidParameter) as refused:
        load_models().get("gemini-nano-banana-2", TODAY)
    assert "gemini-nano-banana-2.1" in (refused.value.hint or "")


OWN = """
[[model]]
id = "{id}"
usd_per_million = {{ image = "{image}", text = "1", input = "1" }}
image_tokens = {{ {sizes} }}
input_tokens = 0
reference_side = 1024
{more}
"""


def test_own_models_replace_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "models.toml"
    own.write_text(OWN.format(id="gemini-nano-banana-2.1", image="20", sizes="1K = 1000", more=""))
    book = load_models(own)
    assert book.get("gemini-nano-banana-2.1", TODAY).price("1K") == Decimal("0.02")
    assert len(book.all()) == 5
    assert len(load_models(tmp_path / "none.toml").all()) == 5


@pytest.mark.parametrize(
    "text",
    [
        "[[model]]\nid = 'x'",
        "[[model",
        "model = 3",
        OWN.format(id="x", image="much", sizes="1K = 1", more=""),
        OWN.format(id="x", image="1", sizes="512 = 1", more=""),
        OWN.format(id="x", image="1", sizes="", more=""),
        OWN.format(id="x", image="1", sizes="1K = 1", more='retires = "soon"'),
        OWN.format(id="x", image="1", sizes="1K = 1", more="retires = 2027-01-01T00:00:00"),
        OWN.format(id="x", image="1", sizes="1K = 1", more="retired = 2027-01-01"),
        "[[modle]]\nid = 'x'",
        OWN.format(id="x", image="-1", sizes="1K = 1", more=""),
        OWN.format(id="x", image="nan", sizes="1K = 1", more=""),
        OWN.format(id="x", image="1", sizes="1K = 0", more=""),
        OWN.format(id="x", image="1", sizes="1K = 1", more="").replace("1024", "0"),
    ],
)
def test_a_broken_model_file_is_named(tmp_path: Path, text: str) -> None:
    own = tmp_path / "models.toml"
    own.write_text(text)
    with pytest.raises(InvalidSetting, match=r"models\.toml"):
        load_models(own)


@pytest.mark.parametrize(
    ("usd", "nano"),
    [("0", 0), ("0.0336", 33_600_000), ("1", 1_000_000_000), ("0.0000000011", 2), ("0.0000000001", 1)],
)
def test_ledgers_keep_whole_nanodollars_rounded_up(usd: str, nano: int) -> None:
    assert nanodollars(Decimal(usd)) == nano


@pytest.mark.parametrize(("now", "left"), [("2026-11-21T23:59:00", 60), ("2026-12-31T00:00:00", 86_400)])
def test_the_refusal_of_a_spent_day_says_when_the_next_begins(now: str, left: float) -> None:
    refusal = daily_cap_reached(Decimal("9.99"), Decimal(10), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert refusal.message == "$9.99 of today's $10.00 for pictures is spent"
    assert "gemini.daily_cap_usd" in str(refusal.hint)
    assert refusal.retry_after == left
