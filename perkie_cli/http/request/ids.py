"""Request ids and W3C trace context, in and out."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class RequestIds:
    """What ties log lines, traces and support questions to one request."""

    request_id: str
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits, ours
    flags: str  # 2 hex digits

    @property
    def traceparent(self) -> str:
        """For the answer and for calls made on behalf of the request."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def request_ids(request_id: str | None, traceparent: str | None) -> RequestIds:
    """From the headers ``X-Request-ID`` and ``traceparent`` (W3C Trace Context §3.2); made anew where unusable."""
    given = request_id if request_id and _ID.fullmatch(request_id) else secrets.token_hex(16)
    match = _PARENT.fullmatch(traceparent or "")
    trace_id, flags = (match[1], match[3]) if match else (secrets.token_hex(16), "00")
    return RequestIds(given, trace_id, secrets.token_hex(8), flags)
