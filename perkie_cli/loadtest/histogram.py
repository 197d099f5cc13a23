"""A histogram of durations: HdrHistogram, which silently drops what is out of its range, made to count that."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

import numpy as np
from hdrh.histogram import HdrHistogram

from perkie_cli.loadtest.scenario import LONGEST

DIGITS = 3  # significant ones: a value is at most 0.1 % off
_MICRO = 1_000_000
_TOP = int(LONGEST * _MICRO)
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
BATCH = 4096  # durations that are counted together: one at a time costs more than sending a request


class Histogram:
    """Durations in seconds, kept in microseconds; ``clamped`` counts values below 0 or above ``LONGEST``."""

    __slots__ = ("_clamped", "_counts", "_recent")

    def __init__(self, encoded: bytes | None = None, clamped: int = 0) -> None:
        self._counts = HdrHistogram.decode(encoded) if encoded else HdrHistogram(1, _TOP, DIGITS)
        self._clamped = clamped
        self._recent = array("d")  # not counted yet

    def record(self, seconds: float) -> None:
        """Adds one duration."""
        self._recent.append(seconds)
        if len(self._recent) >= BATCH:
            self._count_recent()

    @property
    def counts(self) -> HdrHistogram:
        """All of them."""
        if self._recent:
            self._count_recent()
        return self._counts

    @property
    def clamped(self) -> int:
        """Values out of range, which are counted as its end."""
        if self._recent:
            self._count_recent()
        return self._clamped

    def _count_recent(self) -> None:
        """What ``HdrHistogram.record_value`` does, for all of them at once."""
        meant = (np.array(self._recent) * _MICRO + 0.5).astype(np.int64)
        self._recent = array("d")
        micro = np.clip(meant, 0, _TOP)
        self._clamped += int(np.count_nonzero(micro != meant))
        found = self._counts
        _, bits = np.frexp((micro | found.sub_bucket_mask).astype(np.float64))
        bucket = bits - (found.sub_bucket_half_count_magnitude + 1)
        first = (bucket + 1) << found.sub_bucket_half_count_magnitude
        places = first + (micro >> bucket) - found.sub_bucket_half_count
        counts = np.frombuffer(found.counts, np.uint64)
        counts += np.bincount(places, minlength=len(counts)).astype(np.uint64)
        found.total_count += len(micro)
        found.min_value = min(found.min_value, int(micro.min()))
        found.max_value = max(found.max_value, int(micro.max()))

    def add(self, other: Histogram) -> None:
        """Merges another one."""
        self.counts.add(other.counts)
        self._clamped += other.clamped

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
