"""What one process remembers under an idempotency key; tests/contract holds what processes share."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from perkie_cli.domain.errors import IdempotencyMismatch
from perkie_cli.domain.events import NoEvents
from perkie_cli.resilience.leases import Leases
from perkie_cli.services.shop.idempotency import Idempotency, Repeatable
from perkie_cli.stores.memory import MemoryDocuments
from tests.clock import ManualClock


class Work:
    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        return "done"


class Memory:
    """An ``Idempotency`` whose records end with it."""

    def __init__(self, clock: ManualClock | None = None, **limits: Any) -> None:
        self.clock = clock or ManualClock()
        self.limits = limits
        self.made = Idempotency(self._leases(), self.clock, **limits)

    def _leases(self) -> Leases:
        return Leases(MemoryDocuments(), self.clock, NoEvents())

    async def run(self, key: object, payload: str, work: Callable[[], Awaitable[str]]) -> str:
        digest = hashlib.sha256(payload.encode()).hexdigest()
        return await self.made.run(Repeatable(str(key), digest, work, len))


async def test_replays_end_with_their_lifetime() -> None:
    work, memory = Work(), Memory(lifetime=60)
    for _ in range(2):
        assert await memory.run("k", "payload", work) == "done"
    assert work.calls == 1
    with pytest.raises(IdempotencyMismatch):
        await memory.run("k", "another", work)
    memory.clock.advance(61)
    with pytest.raises(IdempotencyMismatch):  # the record lasts a day
        await memory.run("k", "another", work)
    assert await memory.run("k", "payload", work) == "done"
    assert work.calls == 2
    memory.clock.advance(timedelta(days=1))
    await memory.run("k", "another", work)


async def test_a_key_whose_work_failed_may_be_used_for_anything() -> None:
    async def fail() -> str:
        raise LookupError

    memory, work = Memory(), Work()
    with pytest.raises(LookupError):
        await memory.run("k", "payload", fail)
    assert await memory.run("k", "another", work) == "done"


async def test_results_are_kept_within_their_room() -> None:
    memory, work = Memory(max_bytes=10, max_keys=1000), Work()
    for number in range(5):
        await memory.run(number, "", work)
    await memory.run(4, "", work)
    assert work.calls == 5  # the youngest are still there
    await memory.run(0, "", work)
    assert work.calls == 6
    few = Memory(max_keys=2)
    for key in "abca":
        await few.run(key, "", work)
    assert work.calls == 10  # the oldest had gone
