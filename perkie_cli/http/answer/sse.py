"""Server-sent events (HTML Living Standard §9.2) out of an async stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

KEEP_ALIVE = b": still at work\n\n"
END = "end"  # the id of the last event of every stream: a client that reconnects sends it as Last-Event-ID
# A note for readers of the stream: an EventSource reconnects after the end, and would post the photo again.
HOW_TO_END = b': close the connection at "done" or "error"; who reconnects after one of them is answered 204\n\n'


def event(name: str, data: Any, id_: int | str) -> bytes:
    """One event: JSON on one line, so no further framing is needed."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(id_).encode(), name.encode(), orjson.dumps(data))


async def with_keep_alive(
    stream: AsyncGenerator[bytes, None], every: float, cut: asyncio.Future[bytes] | None = None
) -> AsyncGenerator[bytes, None]:
    """The stream with a comment after every ``every`` seconds of silence, so that proxies do not close it.

    When ``cut`` is done, its bytes are sent last. Then, or when the reader disconnects, the stream is closed at once
    and releases everything it holds.
    """
    pending: asyncio.Future[bytes] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(stream))
            waited = {pending} if cut is None else {pending, cut}
            done, _ = await asyncio.wait(waited, timeout=every, return_when=asyncio.FIRST_COMPLETED)
            if pending in done:
                finished, pending = pending, None
                try:
                    yield finished.result()
                except StopAsyncIteration:
                    return
            elif cut is not None and cut in done:
                yield cut.result()
                return
            else:
                yield KEEP_ALIVE
    finally:
        for each in filter(None, (pending, cut)):
            each.cancel()
        if pending is not None:
            await asyncio.wait([pending])
        await stream.aclose()
