"""Remembers a refusal that every other call would get too, so that these calls are not sent."""

from __future__ import annotations

from perkie_cli.domain.errors import PerkieError, UpstreamExhausted, WrongCredentials
from perkie_cli.ports import Clock

LASTING = (WrongCredentials, UpstreamExhausted)  # an invalid key, a used-up daily quota
REMEMBERED = 60.0  # seconds, if the refusal does not say how long it lasts
LONGEST = 600.0  # seconds after which a call checks whether the quota has been raised


class KnownRefusal:
    """The current lasting refusal of one upstream, if any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._error: PerkieError | None = None
        self._since = 0.0

    def note(self, error: PerkieError) -> None:
        """Remembers ``error`` if it is a lasting refusal."""
        if isinstance(error, LASTING):
            self._error, self._since = error, self._clock.monotonic()

    def check(self) -> None:
        """Checks for a remembered refusal. Raises: the refusal, with its remaining time."""
        if (error := self._error) is None:
            return
        passed = self._clock.monotonic() - self._since
        if passed >= min(error.retry_after or REMEMBERED, LONGEST):
            self._error = None
            return
        left = None if error.retry_after is None else error.retry_after - passed
        raise type(error)(error.message, hint=error.hint, retry_after=left)
