"""``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): a retry joins or replays, it never pays twice.

Answers are kept in this process only. Over all processes ``services.idempotency`` keeps the keys, and the cache the
pictures: what is retried at another server is a hit there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from perkie_cli.domain.errors import IdempotencyMismatch
from perkie_cli.ports import Clock
from perkie_cli.resilience.coalesce import Coalescer

T = TypeVar("T")


@dataclass(slots=True)
class _Entry:
    payload: Hashable
    since: float
    results: tuple[Any, ...] = ()  # empty until it has succeeded
    weight: int = 0


class Idempotency:
    """Remembers payloads and successful results for ``lifetime`` seconds, within ``room`` bytes and ``most`` keys."""

    def __init__(self, clock: Clock, lifetime: float = 600.0, room: int = 32 * 1024 * 1024, most: int = 10_000) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._room = room
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._coalescer: Coalescer[Any] = Coalescer()

    async def run(
        self, key: Hashable, payload: Hashable, work: Callable[[], Awaitable[T]], weigh: Callable[[T], int | None]
    ) -> T:
        """The result of ``work()`` under ``key``: made now, joined while under way, or replayed.

        A failure is not remembered, so that a retry may do better. ``weigh`` gives a result's size in bytes, or None
        for one that has failed in parts.

        Raises: IdempotencyMismatch for the same key with another payload, and whatever ``work`` raises.
        """
        entry = self._entry(key, payload)
        if entry.results:
            result: T = entry.results[0]
            return result
        try:
            made: T = (await self._coalescer.run(key, work))[0]
        except Exception:
            if not entry.results and self._entries.get(key) is entry:
                del self._entries[key]
            raise
        if not entry.results:
            self._remember(key, entry, made, weigh(made))
        return made

    def _remember(self, key: Hashable, entry: _Entry, made: Any, weight: int | None) -> None:
        if weight is not None:
            entry.results, entry.weight = (made,), weight
            self._trim()
        elif self._entries.get(key) is entry:
            del self._entries[key]

    def _entry(self, key: Hashable, payload: Hashable) -> _Entry:
        now = self._clock.monotonic()
        while self._entries and now - next(iter(self._entries.values())).since > self._lifetime:
            self._entries.popitem(last=False)
        entry = self._entries.setdefault(key, _Entry(payload, now))
        if entry.payload != payload:
            raise IdempotencyMismatch(
                "this idempotency key came with another request before", hint="Use a new key for a new request."
            )
        self._trim()
        return entry

    def _trim(self) -> None:
        while len(self._entries) > self._most or sum(e.weight for e in self._entries.values()) > self._room:
            self._entries.popitem(last=False)
