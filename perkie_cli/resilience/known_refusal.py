"""Remembers a refusal that every other call would meet too, so that it is not asked for again and again."""

from __future__ import annotations

from perkie_cli.domain.errors import PerkieError, UpstreamExhausted, WrongCredentials
from perkie_cli.ports import Clock

LASTING = (WrongCredentials, UpstreamExhausted)  # a dead key, a spent day
REMEMBERED = 60.0  # seconds, where the refusal does not say until when it holds
LONGEST = 600.0  # seconds after which one call finds out whether somebody has raised the quota


class KnownRefusal:
    """The last lasting refusal of one upstream, while it holds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._error: PerkieError | None = None
        self._since = 0.0

    def note(self, error: PerkieError) -> None:
        """Keeps ``error`` in mind, if it is a lasting one."""
        if isinstance(error, LASTING):
            self._error, self._since = error, self._clock.monotonic()

    def check(self) -> None:
        """Raises: the refusal once more, as long as it holds, with the time that is left of it."""
        if (error := self._error) is None:
            return
        passed = self._clock.monotonic() - self._since
        if passed >= min(error.retry_after or REMEMBERED, LONGEST):
            self._error = None
            return
        left = None if error.retry_after is None else error.retry_after - passed
        raise type(error)(error.message, hint=error.hint, retry_after=left)
