"""Events as lines of a server's log: ``degraded: style=ink_wash, reason=breaker_open, …``."""

from __future__ import annotations

import logging
import re
from dataclasses import fields

from perkie_cli.domain.events import (
    Audited,
    AuditLost,
    BreakerChanged,
    Degraded,
    Event,
    SettingShadowed,
    StoreFailed,
    StyleLeftOut,
    UpstreamRetried,
)

log = logging.getLogger("perkie.events")
_LEVELS: dict[type[Event], int] = {  # all others: DEBUG
    **dict.fromkeys((AuditLost, BreakerChanged, Degraded, SettingShadowed, StoreFailed, StyleLeftOut), logging.WARNING),
    **dict.fromkeys((Audited, UpstreamRetried), logging.INFO),
}


class EventLog:
    """Logs every event at its type's level."""

    def emit(self, event: Event) -> None:
        """Logs the event."""
        level = _LEVELS.get(type(event), logging.DEBUG)
        if log.isEnabledFor(level):
            log.log(level, "%s", line(event))


def line(event: Event) -> str:
    """The event's name and facts, always on one line: upstream texts may contain line breaks."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    facts = ", ".join(f"{name}={v:.3f}" if isinstance(v, float) else f"{name}={v}" for name, v in values.items())
    return " ".join(f"{name}: {facts}".split())
