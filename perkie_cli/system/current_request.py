"""The request that the running code works for, so that every line of the log can name it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CurrentRequest:
    """Names a request for the log; filled in as it becomes known. Tasks started for a request share it."""

    request_id: str
    trace_id: str
    caller: str | None = None  # the name of the API key, or the kind of the credentials
    owner: str | None = None  # whose pictures: a keyed hash, never the id itself
    span_id: str = ""  # 16 hex digits, of the request itself
    parent_id: str | None = None  # of the span that called us
    sampled: bool = False


_current: ContextVar[CurrentRequest | None] = ContextVar("request", default=None)


def current_request() -> CurrentRequest | None:
    """The request being served; None outside of one."""
    return _current.get()


@contextmanager
def serving(request: CurrentRequest) -> Iterator[None]:
    """Makes ``request`` the current one inside the block."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)
