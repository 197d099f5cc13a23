"""When a day ends."""

from __future__ import annotations

from datetime import datetime, time, timedelta

PACIFIC = "America/Los_Angeles"  # the time zone of Google's daily quotas


def next_midnight(now: datetime, timezone: str) -> datetime:
    """The end of the day of ``now`` in ``timezone``; days with a clock change have 23 or 25 hours."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(timezone)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).astimezone(now.tzinfo)
