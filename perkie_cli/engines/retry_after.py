"""How long an upstream asks its clients to wait."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}")


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header with seconds or a date (RFC 9110 §10.2.3); None if it is neither."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
