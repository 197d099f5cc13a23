"""``perkie cost report --by customer``: who costs what, until they are erased."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.money.spend import Purchase, Usage
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from tests.conftest import Perkie
from tests.e2e.test_stylize_gemini import emulating
from tests.pictures import file_of, photo

ANNA, BO, VISITOR = Owner.customer("anna"), Owner.customer("bo"), Owner.session("s1")


@pytest.fixture(scope="module")
def gemini() -> Iterator[str]:
    with emulating("--picture", "tiny") as running:
        yield running.url


def report(perkie: Perkie, *words: str) -> dict[str, Any]:
    told = perkie("cost", "report", *words, "--json")
    assert told.returncode == 0, told.stderr
    envelope: dict[str, Any] = json.loads(told.stdout)
    assert sum(row["calls"] for row in envelope["results"]) == envelope["summary"]["total"]["calls"]
    return envelope


def calls(perkie: Perkie) -> dict[str, int]:
    return {row["customer"]: row["calls"] for row in report(perkie, "--by", "customer")["results"]}


def book(calls: Mapping[Owner, Decimal]) -> None:
    """One picture each, at that price; and two calls of Anna without one."""

    async def work() -> None:
        services = build_services(Settings())
        ledger = services.ledger
        for owner, usd in calls.items():
            booking = await ledger.reserve(Purchase("m", "ink_wash", owner), usd, Decimal(10))
            await ledger.settle(booking, Usage(1, 1, 1, usd), drawn=True)
        blocked = await ledger.reserve(Purchase("m", "van_gogh", ANNA), Decimal("0.01"), Decimal(10))
        await ledger.settle(blocked, Usage(1, 1, 1, Decimal("0.01")), drawn=False)
        await ledger.reserve(Purchase("m", "van_gogh", ANNA), Decimal("0.04"), Decimal(10))
        await services.aclose()

    asyncio.run(work())


def test_from_the_picture_to_the_erasure_and_the_backup(
    perkie_here: Perkie, home: Path, tmp_path: Path, gemini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini)
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(file_of(photo(300 + number, 280)))
    asked = (("--customer", "anna"), ("--customer", "bo"), ("--session", "s1"), ())
    for number, whose in enumerate(asked):
        drawn = perkie_here("stylize", f"{number}.jpg", "-s", "ink_wash", *whose)
        assert drawn.returncode == 0, drawn.stderr
    before = {"customer:anna": 1, "customer:bo": 1, "session:s1": 1, "unnamed": 1}
    assert calls(perkie_here) == before
    path = json.loads(perkie_here("backup", "create", "copies", "--json").stdout)["summary"]["path"]

    erased = perkie_here("cache", "purge", "--customer", "anna", "--yes", "--receipt", "r.json")
    assert "took the name off 1 booked call\n" in erased.stderr
    receipt = json.loads((tmp_path / "r.json").read_text())
    assert receipt["bookings_unnamed"] == 1
    assert any("spend ledger" in each for each in receipt["stays"])
    assert calls(perkie_here) == {"customer:bo": 1, "session:s1": 1, "unnamed": 2}
    files = [*home.rglob("spend.sqlite*")]
    assert files
    assert not any(b"anna" in file.read_bytes() for file in files)
    assert report(perkie_here, "--customer", "anna")["results"] == []
    for only_look in ("--yes", "--dry-run"):
        assert perkie_here("cache", "purge", "--customer", "anna", only_look).returncode == 3, "nothing is left of her"

    assert perkie_here("backup", "restore", path, "--yes").returncode == 0
    assert calls(perkie_here) == before, "an older backup knows her: the erasure has to be repeated"
    told = perkie_here("cache", "purge", "--customer", "anna", "--dry-run").stderr
    assert told.startswith("would remove 0 objects")
    assert "would take the name off 1 booked call\n" in told
    again = perkie_here("cache", "purge", "--customer", "anna", "--yes", "--json")
    assert json.loads(again.stdout)["summary"]["bookings_unnamed"] == 1
    assert perkie_here("stylize", "3.jpg", "-s", "van_gogh", "--customer", "anna").returncode == 0
    assert calls(perkie_here) == {"customer:anna": 1, "customer:bo": 1, "session:s1": 1, "unnamed": 2}
    asked_whom = perkie_here("audit", "list", "--customer", "anna", "--action", "spend")
    assert asked_whom.stdout.count("spend.forget") == 2


def test_the_dearest_come_first_and_the_rest_in_one_sum(perkie_here: Perkie) -> None:
    book({ANNA: Decimal("0.04"), BO: Decimal("0.30"), VISITOR: Decimal("0.02"), ANONYMOUS: Decimal("0.50")})
    told = perkie_here("cost", "report", "--by", "customer", "--limit", "2").stdout.splitlines()
    assert told[:5] == [
        "customer       calls  pictures   cost  wasted  possible  a picture",
        "customer:bo        1         1  $0.30   $0.00     $0.00      $0.30",
        "customer:anna      3         1  $0.09   $0.01     $0.04      $0.09",
        "others             1         1  $0.02   $0.00     $0.00      $0.02",
        "unnamed            1         1  $0.50   $0.00     $0.00      $0.50",
    ]
    assert told[-1] == "others: 1 of 3 customers and sessions; --limit 3 shows all"
    rows = report(perkie_here, "--by", "style,customer", "--limit", "1")["results"]
    assert [(row["style"], row["customer"], row["calls"]) for row in rows] == [
        ("ink_wash", "customer:bo", 1),
        ("ink_wash", "others", 2),
        ("ink_wash", "unnamed", 1),
        ("van_gogh", "others", 2),
    ]


def test_what_one_customer_cost(perkie_here: Perkie) -> None:
    book({ANNA: Decimal("0.04"), BO: Decimal("0.30")})
    told = report(perkie_here, "--customer", "anna", "--by", "outcome")
    assert [(row["outcome"], row["calls"]) for row in told["results"]] == [
        ("picture", 1),
        ("possible", 1),
        ("wasted", 1),
    ]
    assert Decimal(str(told["summary"]["usd_today"])) == Decimal("0.39"), "the cap is everybody's"
    text = perkie_here("cost", "report", "--session", "s9").stdout
    assert text.startswith("nothing was spent for session s9\ntoday $0.39 of the cap")
    assert perkie_here("cost", "report", "--customer", "../x").returncode == 3
    assert perkie_here("cost", "report", "--customer", "a", "--session", "b").returncode == 2
