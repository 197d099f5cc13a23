"""What happened, as frozen records. Services emit them; logs, metrics and audit records are made of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class CacheLookup(Event):
    """One look-up and how it ended (a ``CacheOutcome`` value)."""

    outcome: str
    style: str


@dataclass(frozen=True, slots=True)
class StoreFailed(Event):
    """A best-effort write to a store did not succeed."""

    store: str
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audited(Event):
    """A change of something shared: who did what to what."""

    action: str
    target: str
    actor: str
    detail: str = ""


class NoEvents:
    """The sink for those who do not care."""

    def emit(self, event: Event) -> None:
        """Drops the event."""


class Recorder:
    """Keeps events in memory, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Appends the event."""
        self.events.append(event)
