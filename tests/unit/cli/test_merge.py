from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.batch.machines.merge import Attempt, attempt_of, merged, missing
from perkie_cli.batch.machines.shard import Shard
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.runs import MADE, OPEN, Item, Outcome, Run, Status

BEGUN = datetime(2026, 11, 29, 3, tzinfo=UTC)
NUMBERS = count()


def attempt(
    *items: tuple[str, Status, str], shard: str | None = None, hours: int = 0, outcome: Outcome = Outcome.FINISHED
) -> Attempt:
    begun = BEGUN + timedelta(hours=hours)
    typed = ("--shard", shard) if shard else ()
    run = Run(f"r{next(NUMBERS)}", "stylize", ("stylize", "x", *typed, "-r"), "/", begun, len(items), begun, outcome)
    made = {
        place: Item(place, f"{name}.png", f"gs://b/{name}.jpg", "ink_wash", status, 1, 2.0, Decimal(usd))
        for place, (name, status, usd) in enumerate(items)
    }
    return Attempt(run, None if shard is None else Shard.parse(shard), made)


def states(items: Sequence[Item]) -> dict[str, tuple[str, Decimal]]:
    return {item.source.removesuffix(".png"): (item.status.value, item.usd) for item in items}


def test_the_latest_state_wins_and_money_adds_up() -> None:
    first = attempt(("a", Status.DONE, "0.03"), ("b", Status.FAILED, "0.01"), ("c", Status.RUNNING, "0"), shard="0/2")
    again = attempt(
        ("a", Status.SKIPPED, "0"), ("b", Status.DONE, "0.03"), ("c", Status.FAILED, "0.02"), shard="0/2", hours=1
    )
    other = attempt(("d", Status.CACHED, "0"), shard="1/2")
    run, items = merged([again, other, first], "merged")
    assert states(items) == {
        "a": ("done", Decimal("0.03")),
        "b": ("done", Decimal("0.04")),
        "c": ("failed", Decimal("0.02")),
        "d": ("cached", Decimal(0)),
    }
    assert [item.place for item in items] == [0, 1, 2, 3]
    assert (run.id, run.total, run.begun, run.outcome) == ("merged", 4, BEGUN, Outcome.FINISHED)
    assert run.ended == BEGUN + timedelta(hours=1)
    assert run.words == ("stylize", "x", "-r"), "of no shard"


def test_an_attempt_that_did_not_get_to_an_item_says_nothing_about_it() -> None:
    first = attempt(("a", Status.DONE, "0.03"), ("b", Status.FAILED, "0.01"), ("c", Status.DONE, "0"))
    cut = attempt(
        ("a", Status.WAITING, "0"), ("b", Status.WAITING, "0"), ("c", Status.RUNNING, "0.03"), hours=1,
        outcome=Outcome.RUNNING,
    )  # fmt: skip
    run, items = merged([first, cut], "m")
    assert {name: status for name, (status, _) in states(items).items()} == {"a": "done", "b": "failed", "c": "done"}
    assert run.outcome is Outcome.FINISHED, "each item was tried"
    assert items[2].usd == Decimal("0.03"), "what was paid is paid"


def test_items_that_nobody_ended_tell_how_the_last_attempt_ended() -> None:
    waiting = ("a", Status.WAITING, "0")
    for outcome, told in (
        (Outcome.RUNNING, Outcome.KILLED),
        (Outcome.INTERRUPTED, Outcome.INTERRUPTED),
        (Outcome.STOPPED, Outcome.STOPPED),
    ):
        run, _ = merged(
            [attempt(("b", Status.DONE, "0"), shard="1/2"), attempt(waiting, outcome=outcome, shard="0/2")], "m"
        )
        assert run.outcome is told


def test_shards_without_a_journal_are_named() -> None:
    found = [attempt(shard="0/4"), attempt(shard="2/4"), attempt(), attempt(shard="1/2"), attempt(shard="0/2")]
    assert list(map(str, missing(found))) == ["1/4", "3/4"]


ITEMS = st.tuples(
    st.sampled_from("abcde"),
    st.sampled_from([s for s in Status if s is not Status.PLANNED]),
    st.sampled_from(["0", "0.03"]),
)


@given(st.lists(st.lists(ITEMS, max_size=5, unique_by=lambda item: item[0]), min_size=1, max_size=4), st.randoms())
def test_in_whatever_order_they_come_each_output_counts_once_and_no_cent_is_lost(
    runs: list[list[tuple[str, Status, str]]], rng: object
) -> None:
    attempts = [attempt(*items, hours=hour) for hour, items in enumerate(runs)]
    _, items = merged(attempts, "m")
    rng.shuffle(attempts)  # type: ignore[attr-defined]
    assert merged(attempts, "m")[1] == items
    assert sorted(states(items)) == sorted({name for run in runs for name, _, _ in run})
    assert sum(item.usd for item in items) == sum(Decimal(usd) for run in runs for _, _, usd in run)
    for item in items:
        told = [status for run in runs for name, status, _ in run if f"{name}.png" == item.source]
        assert item.status in told
        ended = [status for status in told if status not in OPEN]
        if ended and ended[-1] in MADE:
            assert item.status not in OPEN, "it is there"


@pytest.mark.parametrize(
    "data",
    [b"", b"not json\n", b"[]\n", b'{"place": 0}\n', b'{"run": "r"}\n', b'{"ended": "x"}\n', b"\xff\n",
     b'{"run":"r","command":"c","words":[],"folder":"/","begun":"2026-11-29","total":1,"shard":"9/2"}\n'],
)  # fmt: skip
def test_a_file_that_is_no_journal_is_named(data: bytes) -> None:
    with pytest.raises(InvalidParameter, match=r"runs/r"):
        attempt_of("runs/r", [("runs/r/00000.jsonl", data)])
