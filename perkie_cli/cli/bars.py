"""What is told how far a work is, and shows it."""

from __future__ import annotations

from typing import Any

from perkie_cli.cli import streams


class Bar:
    """Receives each finished item; this one shows nothing."""

    def advance(self, item: str, note: str = "") -> None:
        """Counts one finished item; ``note`` tells more about the whole."""


class Transfer:
    """Receives the progress of a download; this one shows nothing."""

    def at(self, done: int, total: int | None) -> None:
        """The progress in bytes; ``total`` if it is known."""


class RichTransfer(Transfer):
    """A bar of Rich's for bytes."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def at(self, done: int, total: int | None) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=done, total=total)


class RichBar(Bar):
    """A bar of Rich's for items."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self, item: str, note: str = "") -> None:
        """Moves the bar."""
        self._bar.update(self._task, advance=1, description=streams.printable(item), note=note)
