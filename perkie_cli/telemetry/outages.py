"""Tells a store's first failure and its return, not every failure between."""

from __future__ import annotations

from dataclasses import dataclass, field

from perkie_cli.domain.events import Event, StoreAnswered, StoreBack, StoreFailed

_READ, _WRITE = "read", "write"


@dataclass(slots=True)
class _Outage:
    kinds: set[str] = field(default_factory=set)  # of the operations that do not work: a full disk still reads
    failures: int = 0


class Outages:
    """Remembers which stores are failing."""

    def __init__(self) -> None:
        self._failing: dict[str, _Outage] = {}

    def told(self, event: Event) -> Event | None:
        """The event to log in place of this one; None for a failure that is known, or an answer that is usual."""
        if isinstance(event, StoreFailed):
            return self._failed(event)
        if isinstance(event, StoreAnswered):
            return self._answered(event)
        return event

    def _failed(self, event: StoreFailed) -> Event | None:
        known = self._failing.get(event.store)
        outage = self._failing.setdefault(event.store, _Outage())
        outage.kinds.add(_READ if event.operation == _READ else _WRITE)
        outage.failures += 1
        return event if known is None else None

    def _answered(self, event: StoreAnswered) -> Event | None:
        outage = self._failing.get(event.store)
        if outage is None:
            return None
        outage.kinds -= {event.operation} if event.operation else {_READ, _WRITE}
        if outage.kinds:
            return None
        del self._failing[event.store]
        return StoreBack(event.store, outage.failures)
