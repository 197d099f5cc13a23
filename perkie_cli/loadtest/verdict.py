"""What a run says: whether it counts at all, which thresholds hold, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from perkie_cli.domain.errors import BudgetExceeded, Interrupted, PerkieError, RunInvalid, ThresholdsFailed
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import format_duration
from perkie_cli.loadtest.load import Ending, Run, in_flight
from perkie_cli.loadtest.tally import Outcome
from perkie_cli.loadtest.thresholds import Judgement

MOST_LAG = 0.050  # seconds, p99 of how late requests were sent
LAG_SHARE = 0.1  # of the smallest duration in a threshold
MOST_BUSY = 0.1  # of the time with a core over 90 % busy
MOST_SKIPPED = 0.001  # of the requests, by the cap on requests in flight


class Status(StrEnum):
    """The whole run in a word."""

    PASSED = "passed"
    FAILED = "failed"
    INVALID = "invalid"
    INTERRUPTED = "interrupted"


@frozen
class RunVerdict:
    """``invalid``: reasons why the run says nothing about the server."""

    status: Status
    judgements: tuple[Judgement, ...]
    invalid: tuple[str, ...]
    ending: Ending = Ending.DONE

    @property
    def failed(self) -> list[Judgement]:
        """The thresholds that do not hold."""
        return [each for each in self.judgements if not each.holds]

    def error(self) -> PerkieError | None:
        """The error with the exit code; None when all is well."""
        if self.ending is Ending.BUDGET:
            return BudgetExceeded("--max-usd is spent; the report is of the part that ran")
        match self.status:
            case Status.INTERRUPTED:
                return Interrupted("interrupted; the report is of the part that ran")
            case Status.INVALID:
                return RunInvalid(
                    f"the run is invalid: {'; '.join(self.invalid)}",
                    hint="The generator was the limit: use --workers, a lower rate, or a machine with more idle cores.",
                )
            case Status.FAILED:
                failed = "; ".join(f"{each.threshold.name} is {each.shown}" for each in self.failed)
                return ThresholdsFailed(f"thresholds failed: {failed}")
        return None


def verdict_of(run: Run) -> RunVerdict:
    """Judges a finished run: interrupted, else invalid, else its thresholds."""
    judgements, invalid = judged(run), tuple(reasons(run))
    if run.ending in (Ending.INTERRUPTED, Ending.BUDGET):
        status = Status.INTERRUPTED
    elif invalid:
        status = Status.INVALID
    else:
        status = Status.PASSED if all(each.holds for each in judgements) else Status.FAILED
    return RunVerdict(status, judgements, invalid, run.ending)


def judged(run: Run) -> tuple[Judgement, ...]:
    """Every threshold with its value so far."""
    found = []
    for threshold in run.scenario.thresholds:
        seconds = measured_seconds(run, threshold.phase)
        found.append(threshold.judge(run.tally.series(threshold.call, threshold.phase, seconds)))
    return tuple(found)


def measured_seconds(run: Run, phase: str = "") -> float:
    """Seconds of the schedule, or of one phase, that passed and were judged."""
    begin = 0.0
    for each in run.scenario.phases:
        if each.name == phase:
            first, last = max(begin, run.scenario.warm_up), min(begin + each.duration, run.seconds)
            return max(0.0, last - first)
        begin += each.duration
    return run.measured


def must_abort(run: Run) -> bool:
    """Whether a threshold with ``abort_on_fail`` is lost; what was not measured yet is not."""
    return any(
        judgement.threshold.abort_on_fail
        and judgement.value is not None
        and not judgement.holds
        and run.measured >= judgement.threshold.after
        for judgement in judged(run)
    )


def reasons(run: Run) -> Iterator[str]:
    """Why the run is invalid."""
    generator = run.tally.generator
    if run.lost_workers:
        yield f"{run.lost_workers} of {run.options.workers} generator processes died"
    if not run.tally.series().meant:
        yield "nothing was measured"
    lag, most = generator.lag.quantile(0.99), allowed_lag(run)
    if lag is not None and lag > most:
        yield f"requests were sent late: p99 {format_duration(lag)}, allowed {format_duration(most)}"
    if generator.busy > MOST_BUSY * max(generator.windows, 1):
        yield f"a core of the generator was over 90 % busy for {generator.busy / generator.windows:.0%} of the time"
    whole = run.tally.series()
    if generator.refused > MOST_SKIPPED * whole.meant:
        yield f"{generator.refused} connections could not be opened by this machine: no free file or port"
    skipped = whole.outcomes[Outcome.SKIPPED]
    if cap_is_ours(run) and skipped > MOST_SKIPPED * whole.meant:
        yield f"{skipped} requests were not sent: only {in_flight(run.scenario)} may be in flight"


def allowed_lag(run: Run) -> float:
    """Seconds."""
    durations = [each.seconds for each in run.scenario.thresholds if each.seconds]
    return min([MOST_LAG, *(LAG_SHARE * each for each in durations)])


def cap_is_ours(run: Run) -> bool:
    """Whether a server that holds every threshold could still fill the cap on requests in flight.

    Where it could not, a full cap means that the server is too slow: that is a result.
    """
    scenario = run.scenario
    durations = [each.seconds for each in scenario.thresholds if each.seconds]
    longest = max(durations, default=min(call.timeout for call in scenario.calls))
    return in_flight(scenario) < scenario.peak_rate * longest
