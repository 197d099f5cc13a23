"""A verdict: interrupted, invalid when the generator was the limit, else by the thresholds."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from perkie_cli.loadtest.load import Ending, Options, Run, in_flight, workers_for
from perkie_cli.loadtest.scenario import Phase, Scenario
from perkie_cli.loadtest.tally import Outcome, Tally
from perkie_cli.loadtest.thresholds import Threshold, parse_rule
from perkie_cli.loadtest.verdict import must_abort, verdict_of
from tests.loadtest import scenario

STARTED = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def threshold(rule: str, **more: object) -> Threshold:
    return replace(Threshold(rule, *parse_rule(rule)), **more)  # type: ignore[arg-type]


def run(found: Scenario, *, ok: int = 100, lag: float = 0.001, latency: float = 0.1, **changes: object) -> Run:
    tally = Tally()
    cell = tally.cell(found.phases[0].name, found.calls[0].name)
    for _ in range(ok):
        cell.outcomes[Outcome.OK] += 1
        cell.latency.record(latency)
        tally.generator.lag.record(lag)
    tally.generator.windows = 40
    made = Run(found, "http://127.0.0.1:1", Options(workers=1), tally, STARTED, found.duration)
    return replace(made, **changes)  # type: ignore[arg-type]


STRICT = scenario(thresholds=(threshold("p95<150ms"),))


def test_a_run_passes_or_fails_by_its_thresholds() -> None:
    assert verdict_of(run(STRICT)).status == "passed"
    assert verdict_of(run(STRICT)).error() is None
    failed = verdict_of(run(STRICT, latency=0.2))
    error = failed.error()
    assert error is not None
    assert (failed.status, error.exit_code) == ("failed", 99)
    assert "p95<150ms is 200 ms" in error.message


@pytest.mark.parametrize(("lag", "valid"), [(0.014, True), (0.016, False)])
def test_late_sending_makes_it_invalid_by_a_tenth_of_the_smallest_duration(lag: float, valid: bool) -> None:
    verdict = verdict_of(run(STRICT, lag=lag, latency=0.2))
    assert (verdict.status == "failed") is valid
    error = verdict.error()
    assert error is not None
    assert error.exit_code == (99 if valid else 98)


def test_late_sending_is_never_allowed_above_fifty_milliseconds() -> None:
    loose = scenario(thresholds=(threshold("share_below_15s>95%"),))
    assert verdict_of(run(loose, lag=0.049)).status == "passed"
    assert verdict_of(run(loose, lag=0.052)).status == "invalid"


@pytest.mark.parametrize(("busy", "status"), [(4, "passed"), (5, "invalid")])
def test_a_busy_core_makes_it_invalid(busy: int, status: str) -> None:
    found = run(STRICT)
    found.tally.generator.busy = busy  # of 40 windows
    assert verdict_of(found).status == status


def test_skips_by_our_own_cap_make_it_invalid_and_those_by_a_slow_server_a_failure() -> None:
    ours = replace(STRICT, max_in_flight=10)  # 100 a second, good for 150 ms: 15 are in flight
    found = run(ours)
    found.tally.cell("steady", "root").outcomes[Outcome.SKIPPED] = 1
    assert verdict_of(found).status == "invalid"
    roomy = replace(STRICT, max_in_flight=20, thresholds=(threshold("error_rate<0.5%"), threshold("p95<150ms")))
    slow = run(roomy)
    slow.tally.cell("steady", "root").outcomes[Outcome.SKIPPED] = 1
    assert verdict_of(slow).status == "failed", "a skip because of a slow server counts as an error"


def test_by_default_every_request_may_wait_until_its_timeout() -> None:
    assert in_flight(scenario()) >= 100 * 30
    assert in_flight(scenario(phases=(Phase("a", 1.0, users=42),))) == 42


def test_connections_that_this_machine_could_not_open_make_it_invalid() -> None:
    found = run(STRICT)
    found.tally.generator.refused = 1
    assert verdict_of(found).status == "invalid"


def test_nothing_measured_or_a_dead_worker_is_invalid() -> None:
    assert verdict_of(run(STRICT, ok=0)).status == "invalid"
    assert verdict_of(run(STRICT, lost_workers=1)).status == "invalid"


def test_an_interrupted_run_is_neither_passed_nor_failed() -> None:
    verdict = verdict_of(run(STRICT, ending=Ending.INTERRUPTED, lag=1.0))
    error = verdict.error()
    assert error is not None
    assert (verdict.status, error.exit_code) == ("interrupted", 130)


def test_a_spent_budget_has_the_exit_code_of_budgets() -> None:
    error = verdict_of(run(STRICT, ending=Ending.BUDGET)).error()
    assert error is not None
    assert error.exit_code == 7


def test_an_abort_waits_for_its_delay_and_for_something_to_measure() -> None:
    impatient = scenario(
        phases=(Phase("steady", 60.0, rate=10.0),),
        thresholds=(threshold("p95<50ms", abort_on_fail=True, after=20.0),),
        warm_up=5.0,
    )
    assert not must_abort(run(impatient, seconds=24.0))
    assert must_abort(run(impatient, seconds=26.0))
    assert not must_abort(run(impatient, seconds=26.0, ok=0)), "nothing is measured yet"
    patient = replace(impatient, thresholds=(threshold("p95<50ms"),))
    assert not must_abort(run(patient, seconds=50.0))


def test_a_threshold_of_a_phase_counts_its_own_seconds() -> None:
    found = scenario(
        phases=(Phase("low", 10.0, rate=10.0), Phase("high", 10.0, rate=20.0)),
        thresholds=(threshold("rate>=10", phase="low"), threshold("rate>=1", phase="high")),
        warm_up=5.0,
    )
    first, second = verdict_of(run(found, ok=60)).judgements
    assert first.value == pytest.approx(12.0), "60 in the five seconds that are left of it"
    assert not second.holds


def test_fast_schedules_get_more_processes() -> None:
    assert workers_for(scenario()) == 1
    assert workers_for(scenario(phases=(Phase("a", 1.0, rate=200_000.0),))) >= 1
