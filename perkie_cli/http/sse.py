"""Server-sent events (HTML Living Standard §9.2) out of an async stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

KEEP_ALIVE = b": still at work\n\n"


def event(name: str, data: Any, number: int) -> bytes:
    """One event: JSON on one line, so no further framing is needed."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), orjson.dumps(data))


async def with_keep_alive(stream: AsyncIterator[bytes], every: float) -> AsyncIterator[bytes]:
    """The stream with a comment wherever it is silent for ``every`` seconds, so that no proxy gives up on it.

    When the reader leaves, the stream is closed at once, and with it whatever it holds.
    """
    iterator = aiter(stream)
    pending: asyncio.Future[bytes] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait([pending], timeout=every)
            if not done:
                yield KEEP_ALIVE
                continue
            try:
                chunk = pending.result()
            except StopAsyncIteration:
                return
            finally:
                pending = None
            yield chunk
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.wait([pending])
