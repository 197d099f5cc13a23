"""The work of an idempotency key runs once (draft-ietf-httpapi-idempotency-key-header): a retry joins or replays it.

Within one process, retries join the running work, and later get its result again for a while. Across all processes that
share a store, a lease holds the payload's digest and says who works on it; if that process dies, it soon ends. It holds
no answer: a drawn picture is in the cache, so a retry at another server is a cache hit at no cost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from perkie_cli.domain.errors import IdempotencyMismatch
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock
from perkie_cli.resilience.leases import Leases, OtherTerms
from perkie_cli.resilience.once import Coalescer

T = TypeVar("T")
KEPT = timedelta(hours=24)  # after that a key may be reused


@frozen
class Repeatable(Generic[T]):
    """Work that a client may request again under the same ``key``.

    ``digest`` identifies the payload. ``weigh`` returns a result's size in bytes, or None if it failed in parts and
    must not be replayed.
    """

    key: str
    digest: str
    work: Callable[[], Awaitable[T]]
    weigh: Callable[[T], int | None]


@dataclass(slots=True)
class _Entry:
    digest: str
    since: float
    results: tuple[Any, ...] = ()  # empty until the work has succeeded
    weight: int = 0


class Idempotency:
    """Remembers payloads and results for ``lifetime`` seconds, up to ``max_bytes`` and ``max_keys``.

    ``leases`` prevent other processes from doing the same work.
    """

    def __init__(
        self,
        leases: Leases,
        clock: Clock,
        *,
        lifetime: float = 600.0,
        max_bytes: int = 32 * 1024 * 1024,
        max_keys: int = 10_000,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._lifetime = lifetime
        self._max_bytes = max_bytes
        self._max_keys = max_keys
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._coalescer: Coalescer[Any] = Coalescer()

    async def run(self, work: Repeatable[T]) -> T:
        """The result of the work: run now, joined while running, or replayed.

        A failure is not remembered, so that a retry can succeed.

        Raises: IdempotencyMismatch for the same key with another payload, and the errors of the work.
        """
        entry = self._entry(work)
        if entry.results:
            result: T = entry.results[0]
            return result

        async def alone() -> T:
            try:
                async with self._leases.held(f"idempotency {work.key}", work.digest, KEPT):
                    return await work.work()
            except OtherTerms:
                raise _mismatch() from None

        try:
            made: T = (await self._coalescer.run(work.key, alone))[0]
        except Exception:
            self._forget(work.key, entry)
            raise
        if not entry.results:
            self._remember(work.key, entry, made, work.weigh(made))
        return made

    def _remember(self, key: str, entry: _Entry, made: Any, weight: int | None) -> None:
        if weight is not None:
            entry.results, entry.weight = (made,), weight
            self._trim()
        else:
            self._forget(key, entry)

    def _forget(self, key: str, entry: _Entry) -> None:
        if not entry.results and self._entries.get(key) is entry:
            del self._entries[key]

    def _entry(self, work: Repeatable[Any]) -> _Entry:
        now = self._clock.monotonic()
        while self._entries and now - next(iter(self._entries.values())).since > self._lifetime:
            self._entries.popitem(last=False)
        entry = self._entries.setdefault(work.key, _Entry(work.digest, now))
        if entry.digest != work.digest:
            raise _mismatch()
        self._trim()
        return entry

    def _trim(self) -> None:
        while len(self._entries) > self._max_keys or sum(e.weight for e in self._entries.values()) > self._max_bytes:
            self._entries.popitem(last=False)


def _mismatch() -> IdempotencyMismatch:
    return IdempotencyMismatch(
        "this idempotency key came with another request before", hint="Use a new key for a new request."
    )
