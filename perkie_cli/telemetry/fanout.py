"""Where events go: each to the sinks that take its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from perkie_cli.domain.events import Event
from perkie_cli.ports import EventSink

Take = Callable[[Any], None]  # an event of the kind that was asked for


class Sink(Protocol):
    """Makes something of some kinds of events."""

    def taker(self, kind: type[Event]) -> Take | None:
        """What takes events of that kind; None where nothing is made of them."""


class Fanout:
    """The sink for every part's events. Which sinks take a kind is asked once, at its first event."""

    def __init__(self, sinks: Sequence[Sink], listener: EventSink) -> None:
        """``listener`` gets every event, after the ``sinks``."""
        self._sinks = sinks
        self._listener = listener
        self._takers: dict[type[Event], Sequence[Take]] = {}

    def emit(self, event: Event) -> None:
        """Hands the event on."""
        for take in self._takers.get(type(event)) or self._found(type(event)):
            take(event)

    def _found(self, kind: type[Event]) -> Sequence[Take]:
        takers = [taker for sink in self._sinks if (taker := sink.taker(kind)) is not None]
        found = self._takers[kind] = (*takers, self._listener.emit)
        return found
