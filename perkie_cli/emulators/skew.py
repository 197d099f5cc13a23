"""A clock that can be set wrong, as the clocks of other people's servers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import isfinite

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.emulators.lease import Lease
from perkie_cli.ports import Clock

LONGEST = 366 * 86400.0  # seconds


class SkewedClock(Clock):
    """``clock`` with its wall time ahead by ``offset`` seconds (behind if negative); durations stay right."""

    def __init__(self, clock: Clock) -> None:
        self.lease = Lease(clock)
        self._clock = clock
        self._offset = 0.0

    @property
    def offset(self) -> float:
        """Seconds ahead; 0 once the lease has ended."""
        return self._offset if self.lease.runs else 0.0

    def set(self, offset: float, lease: float | None = None) -> None:
        """Sets the clock wrong, for ``lease`` seconds or until it is set again."""
        self.lease.begin(lease)
        self._offset = offset

    def now(self) -> datetime:
        """The wrong time."""
        return self._clock.now() + timedelta(seconds=self.offset)

    def monotonic(self) -> float:
        """Seconds."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellable."""
        await self._clock.sleep(seconds)

    def alarm(self, seconds: float, ring: Callable[[], None]) -> Callable[[], None]:
        """As the clock's."""
        return self._clock.alarm(seconds, ring)


def parse_offset(table: object) -> float:
    """The offset in ``{"offset": -300}``; 0 in an empty table.

    Raises: InvalidParameter.
    """
    if not isinstance(table, Mapping) or not table.keys() <= {"offset"}:
        raise InvalidParameter("a clock holds offset (seconds ahead) and for (how long) only")
    offset = table.get("offset", 0)
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not isfinite(offset) or abs(offset) > LONGEST:
        raise InvalidParameter(f"offset: {offset!r} is not a number of seconds within a year")
    return float(offset)
