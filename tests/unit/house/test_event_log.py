"""Events as lines of the log."""

from __future__ import annotations

import pytest

from perkie_cli.domain.events import BreakerChanged, CacheLookup, StoreFailed, UpstreamRetried
from perkie_cli.telemetry.log import EventLog


def test_each_event_is_one_line_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "perkie.events")
    log = EventLog()
    log.emit(BreakerChanged("gemini", "closed", "open", 60.0))
    log.emit(UpstreamRetried("gemini", "upstream_fault", 1.5, 1, 0.0, "gemini is unavailable (503)"))
    log.emit(StoreFailed("disk", "write", "no\nroom"))
    log.emit(CacheLookup("hit", "ink_wash"))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "breaker_changed: upstream=gemini, before=closed, after=open, open_for=60.000"),
        (
            "INFO",
            "upstream_retried: upstream=gemini, reason=upstream_fault, wait=1.500, attempt=1, waited=0.000, "
            "cause=gemini is unavailable (503)",
        ),
        ("WARNING", "store_failed: store=disk, operation=write, reason=no room"),
    ]
