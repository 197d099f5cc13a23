"""How long a fault or a wrong clock lasts before it ends by itself, whatever becomes of whoever set it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.units import parse_duration
from perkie_cli.ports import Clock

LEASE = "for"  # the key of a table


class Lease:
    """A time that runs out, or without end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = inf

    def begin(self, seconds: float | None) -> None:
        """Begins now; None is without end."""
        self._ends = inf if seconds is None else self._clock.monotonic() + seconds

    @property
    def left(self) -> float | None:
        """Seconds until the end, at least 0; None without an end."""
        return None if self._ends == inf else max(0.0, self._ends - self._clock.monotonic())

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self.left != 0


def take_lease(table: object) -> tuple[object, float | None]:
    """The table without its ``for``, and that duration in seconds; None without one.

    Raises: InvalidParameter.
    """
    if not isinstance(table, Mapping) or LEASE not in table:
        return table, None
    rest = {key: value for key, value in table.items() if key != LEASE}
    given = table[LEASE]
    try:
        seconds = parse_duration(given).total_seconds() if isinstance(given, str) else 0.0
    except ValueError as error:
        raise InvalidParameter(f"for: {error}") from error
    if seconds <= 0:
        raise InvalidParameter(f"for: {given!r} is not a duration above 0, such as 60s")
    return rest, seconds
