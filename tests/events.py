"""An event sink for tests."""

from __future__ import annotations

from perkie_cli.domain.events import Event
from perkie_cli.ports import EventSink


class Recorder(EventSink):
    """Keeps events in memory, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Appends the event."""
        self.events.append(event)
