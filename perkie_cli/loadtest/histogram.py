"""A histogram of durations: HdrHistogram, which silently drops what is out of its range, made to count that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hdrh.histogram import HdrHistogram

from perkie_cli.loadtest.scenario import LONGEST

DIGITS = 3  # significant ones: a value is at most 0.1 % off
_MICRO = 1_000_000
_TOP = int(LONGEST * _MICRO)
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


class Histogram:
    """Durations in seconds, kept in microseconds; ``clamped`` counts values below 0 or above ``LONGEST``."""

    __slots__ = ("clamped", "counts")

    def __init__(self, encoded: bytes | None = None, clamped: int = 0) -> None:
        self.counts = HdrHistogram.decode(encoded) if encoded else HdrHistogram(1, _TOP, DIGITS)
        self.clamped = clamped

    def record(self, seconds: float) -> None:
        """Adds one duration."""
        micro = int(seconds * _MICRO + 0.5)
        if not 0 <= micro <= _TOP:
            self.clamped += 1
            micro = min(max(micro, 0), _TOP)
        self.counts.record_value(micro)

    def add(self, other: Histogram) -> None:
        """Merges another one."""
        self.counts.add(other.counts)
        self.clamped += other.clamped

    @property
    def count(self) -> int:
        """How many durations there are."""
        return int(self.counts.total_count)

    def quantile(self, share: float) -> float | None:
        """Seconds that ``share`` of the durations do not exceed; None where there are none."""
        return self.counts.get_value_at_percentile(share * 100) / _MICRO if self.count else None

    def below(self, seconds: float) -> int:
        """How many durations are below ``seconds``, to 0.1 %."""
        edge = min(int(seconds * _MICRO), _TOP)
        return sum(
            int(step.count_added_in_this_iter_step)
            for step in self.counts.get_recorded_iterator()
            if step.value_iterated_to < edge
        )

    def figures(self) -> Mapping[str, float | None]:
        """Minimum, mean, the usual percentiles and maximum, in seconds."""
        if not self.count:
            return dict.fromkeys(("min", "mean", *map(percentile_name, QUANTILES), "max"))
        found: dict[str, float | None] = {
            "min": self.counts.get_min_value() / _MICRO,
            "mean": self.counts.get_mean_value() / _MICRO,
        }
        found |= {percentile_name(share): self.quantile(share) for share in QUANTILES}
        return found | {"max": self.counts.get_max_value() / _MICRO}

    def curve(self, shares: Sequence[float]) -> list[float]:
        """The quantiles of a chart, in seconds."""
        return [self.quantile(share) or 0.0 for share in shares]

    def __reduce__(self) -> tuple[object, ...]:
        """Compressed on its way out of a worker process."""
        return Histogram, (self.counts.encode(), self.clamped)


def percentile_name(share: float) -> str:
    """``p99.9`` for 0.999."""
    return f"p{share * 100:g}"
