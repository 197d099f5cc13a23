"""What a run tells of itself while it runs and at its end: counts, speed, time left, money, exit codes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perkie_cli.batch.run import RunResult
from perkie_cli.batch.tally import Tally
from perkie_cli.cli.batch.progress import told
from perkie_cli.cli.batch.report import batch_report, summed_up
from perkie_cli.domain.errors import (
    BreakerOpen,
    BudgetExceeded,
    CorruptImage,
    DailyCapReached,
    PerkieError,
    TooSmall,
    UpstreamFault,
    UpstreamTimeout,
)
from perkie_cli.domain.runs import Outcome, Status


def tally(total: int, seconds: float = 0, **counts: int) -> Tally:
    found = Tally(total, seconds=seconds)
    for name, count in counts.items():
        for number in range(count):
            error = CorruptImage(f"{number} is damaged") if name == "failed" else None
            found.add(Status(name), f"{name}{number}.jpg", error)
    return found


def test_progress_in_words() -> None:
    assert told(tally(5)) == "0 of 5"
    running = tally(100, 20, done=6, cached=3, failed=1, skipped=50)
    running.usd = Decimal("0.2142")
    assert told(running) == "60 of 100, 3 from the cache, 1 failed, $0.2142, 0.5/s, 80 s left"


def test_what_was_there_does_not_make_a_run_look_fast() -> None:
    assert tally(100, 10, skipped=50).eta is None
    assert tally(100, 10, skipped=50, done=10).eta == 40
    assert tally(60, 10, skipped=50, done=10).eta == 0


def test_each_error_of_a_photo_is_new_once() -> None:
    found = Tally(4)
    assert found.add(Status.FAILED, "a.jpg", CorruptImage("damaged"))
    assert not found.add(Status.FAILED, "a.jpg", CorruptImage("damaged"))
    assert found.add(Status.FAILED, "a.jpg", UpstreamTimeout("late"))
    assert found.add(Status.FAILED, "b.jpg", CorruptImage("damaged"))
    assert {name: len(errors) for name, errors in found.failures.items()} == {"a.jpg": 2, "b.jpg": 1}


DAMAGED, SMALL, BUDGET, CAP = CorruptImage("x"), TooSmall("x"), BudgetExceeded("x"), DailyCapReached("x")


@pytest.mark.parametrize(
    ("failures", "total", "code", "exit_code"),
    [
        ([], 3, None, 0),
        ([DAMAGED], 1, "corrupt_image", 3),
        ([DAMAGED, DAMAGED], 2, "corrupt_image", 3),
        ([DAMAGED, SMALL], 2, "partial_failure", 3),
        ([DAMAGED], 2, "partial_failure", 6),
        ([BUDGET], 3, "budget_exceeded", 7),
        ([BUDGET, CAP], 3, "limit_reached", 7),
        ([BUDGET, DAMAGED], 3, "partial_failure", 6),
        ([UpstreamFault("down"), BreakerOpen("down")], 2, "unavailable", 5),
    ],
)
def test_the_error_and_exit_code_of_a_run(
    failures: list[PerkieError], total: int, code: str | None, exit_code: int
) -> None:
    error, found = summed_up(failures, total)
    assert (error and error.code, found) == (code, exit_code)


def test_an_interrupted_run_says_what_was_not_tried_and_how_to_go_on() -> None:
    report = batch_report(RunResult(tally(5, 1, done=2), Outcome.INTERRUPTED, left=3), "run-1")
    assert report.error is not None
    assert (report.error.exit_code, report.error.hint) == (130, "Run the same command again to go on.")
    assert report.summary["not_tried"] == 3
