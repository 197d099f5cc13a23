"""Changes of many objects at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(changes: Iterable[Coroutine[Any, Any, object]]) -> list[object | BaseException]:
    """The outcome of each. When it is interrupted it waits for them, too: a request that is under way cannot be taken
    back, and what it did must be counted.
    """
    whole = asyncio.gather(*changes, return_exceptions=True)
    try:
        return await asyncio.shield(whole)
    except asyncio.CancelledError:
        await whole
        raise
