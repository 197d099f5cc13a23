"""What is counted while a test runs: a ``Series`` for each kind of request in each phase, and the generator itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.histogram import Histogram
from perkie_cli.loadtest.timeline import Timeline


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    ERROR = "error"  # another status, no connection, a broken or wrong answer
    TIMEOUT = "timeout"
    CUT_OFF = "cut_off"  # the run ended first: neither a success nor an error
    SKIPPED = "skipped"  # never sent: as many as allowed were in flight

    __hash__ = str.__hash__  # that of enumerations is written in Python, and called for each request


MOST_REASONS, OTHER_REASONS = 100, "others"


@dataclass(slots=True)
class Series:
    """Counts and durations of some requests.

    ``latency`` runs from the intended time, ``service`` from the moment of sending; both hold good answers and
    timeouts, since a timeout is as slow as its limit at least.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # by reason
    latency: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    hits: int = 0  # pictures, of which a stream has several
    misses: int = 0
    degraded: int = 0
    bytes: int = 0
    usd: float = 0.0  # as the answers say
    seconds: float = 0.0  # of the schedule, that it covers

    def add(self, other: Series) -> None:
        """Merges another one; both cover the same time."""
        self.outcomes += other.outcomes
        self.statuses += other.statuses
        self.errors += other.errors
        self.latency.add(other.latency)
        self.service.add(other.service)
        self.hits += other.hits
        self.misses += other.misses
        self.degraded += other.degraded
        self.bytes += other.bytes
        self.usd += other.usd

    def fail(self, reason: str) -> None:
        """Counts a reason; the rarer of very many are counted together."""
        known = reason in self.errors or len(self.errors) < MOST_REASONS
        self.errors[reason if known else OTHER_REASONS] += 1

    @property
    def meant(self) -> int:
        """Requests of the schedule that were due."""
        return self.outcomes.total()

    @property
    def sent(self) -> int:
        """Requests that were begun."""
        return self.meant - self.outcomes[Outcome.SKIPPED]

    @property
    def answered(self) -> int:
        """Requests with an answer of any status."""
        return self.statuses.total()

    @property
    def failed(self) -> int:
        """Errors and timeouts."""
        return self.outcomes[Outcome.ERROR] + self.outcomes[Outcome.TIMEOUT]

    def quantile(self, share: float) -> float | None:
        """Latency in seconds."""
        return self.latency.quantile(share)

    def share_below(self, seconds: float) -> float | None:
        """Good answers in less than ``seconds``, of all that ended and all that a slow server kept from being sent."""
        ended = self.outcomes[Outcome.OK] + self.failed + self.outcomes[Outcome.SKIPPED]
        late = self.outcomes[Outcome.TIMEOUT]
        below = min(self.latency.below(seconds), self.latency.count - late)
        return below / ended if ended else None

    def figure(self, name: str) -> float | None:
        """One of ``thresholds.TIMES`` and ``SHARES``, or ``rate``: good answers a second."""
        good = self.outcomes[Outcome.OK]
        match name:
            case "error_rate":
                return self._share(self.failed + self.outcomes[Outcome.SKIPPED], good)
            case "hit_rate":
                return self._share(self.hits, self.misses)
            case "degraded_rate":
                return self._share(self.degraded, max(self.hits + self.misses - self.degraded, 0))
            case "rate":
                return good / self.seconds if self.seconds else None
        return self.latency.figures()[name]

    @staticmethod
    def _share(part: int, rest: int) -> float | None:
        return part / (part + rest) if part + rest else None


@frozen
class Sample:
    """One distinct error, with the answer that came."""

    reason: str
    call: str
    status: int | None
    after: float  # seconds of the run
    answer: str


MOST_SAMPLES = 10


@dataclass(slots=True)
class Generator:
    """The generator's own state: how late it sent, and how busy it was."""

    lag: Histogram = field(default_factory=Histogram)
    windows: int = 0  # in which its use of a core was measured
    busy: int = 0  # of them, over 90 %
    connections: int = 0  # opened
    refused: int = 0  # connections that this machine could not open: too many files, no free port

    def add(self, other: Generator) -> None:
        """Merges another process's."""
        self.lag.add(other.lag)
        if other.busy * max(self.windows, 1) >= self.busy * max(other.windows, 1):  # the busiest process counts
            self.windows, self.busy = other.windows, other.busy
        self.connections += other.connections
        self.refused += other.refused


@dataclass(slots=True)
class Tally:
    """Everything that one process counted, or all together.

    ``cells`` by phase and call; ``warm_up`` holds what was sent, but is not judged.
    """

    cells: dict[tuple[str, str], Series] = field(default_factory=dict)
    warm_up: Series = field(default_factory=Series)
    timeline: Timeline = field(default_factory=Timeline)
    samples: dict[str, Sample] = field(default_factory=dict)
    warnings: set[str] = field(default_factory=set)
    generator: Generator = field(default_factory=Generator)

    def cell(self, phase: str, call: str) -> Series:
        """The series of a phase's calls of that name."""
        found = self.cells.get((phase, call))
        if found is None:
            found = self.cells[phase, call] = Series()
        return found

    def sample(self, sample: Sample) -> None:
        """Keeps the first of each reason, up to ``MOST_SAMPLES``."""
        if len(self.samples) < MOST_SAMPLES:
            self.samples.setdefault(sample.reason, sample)

    def add(self, other: Tally) -> None:
        """Merges another process's."""
        for key, series in other.cells.items():
            self.cell(*key).add(series)
        self.warm_up.add(other.warm_up)
        self.timeline.add(other.timeline)
        for sample in other.samples.values():
            self.sample(sample)
        self.warnings |= other.warnings
        self.generator.add(other.generator)

    def series(self, call: str = "", phase: str = "", seconds: float = 0.0) -> Series:
        """All series together, or those of a call or phase; ``seconds`` that they cover."""
        whole = Series(seconds=seconds)
        for (in_phase, name), each in self.cells.items():
            if call in ("", name) and phase in ("", in_phase):
                whole.add(each)
        return whole

    @property
    def usd(self) -> float:
        """What the answers cost, with the warm-up."""
        return self.warm_up.usd + sum(series.usd for series in self.cells.values())


def merged(tallies: Iterable[Tally]) -> Tally:
    """All processes together."""
    whole = Tally()
    for each in tallies:
        whole.add(each)
    return whole


def as_counts(series: Series) -> dict[str, Any]:
    """Counts per outcome and what came of them."""
    counts = {outcome.value: series.outcomes[outcome] for outcome in Outcome}
    return {"meant": series.meant, "sent": series.sent, "answered": series.answered, **counts}
