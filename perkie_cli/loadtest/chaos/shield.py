"""Signals during an experiment: the first one interrupts it, and none interrupts what puts things right again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)


class Shield:
    """Handles all signals that end or interrupt a process; ``received`` has their names in order."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._open = False

    def open(self) -> None:
        """From now on the first signal raises KeyboardInterrupt; one that came already does so at once.

        Replaces Chaos Toolkit's own handlers.
        """
        self._install()
        if self.received:
            raise KeyboardInterrupt(self.received[0])
        self._open = True

    def close(self) -> None:
        """From now on signals are only noted."""
        self._open = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handles signals during the block, closed at first."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self._install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _install(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received.append(signal.Signals(number).name)
        if self._open:
            self._open = False
            raise KeyboardInterrupt(self.received[0])
