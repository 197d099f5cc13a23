"""Work that must see its end although whoever waits for it is cancelled: settling, handing back, rolling back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; a cancellation in the meantime is delivered only after it has ended.

    Raises: what ``work`` raises; CancelledError when cancelled meanwhile (it wins over the work's own error).
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # retrieved: the cancellation is what the waiter gets to see
        raise cancelled
    return task.result()
