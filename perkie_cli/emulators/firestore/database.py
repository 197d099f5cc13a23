"""Documents and transactions in memory.

Optimistic: a transaction is refused at its commit if a document changed after its read. Pessimistic: a read locks the
document and others wait for it, as in native mode with Firestore's server libraries; waiting too long is refused
(https://cloud.google.com/firestore/docs/transaction-data-contention). Read-only transactions see all documents as they
were at the start.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from perkie_cli.emulators.firestore import writes
from perkie_cli.emulators.firestore.values import get
from perkie_cli.emulators.rpc_server import Refused
from perkie_cli.ports import Clock

IDLE_LIFETIME = 60.0  # seconds until an idle transaction and its locks expire


class Mode(StrEnum):
    """The concurrency control of transactions."""

    OPTIMISTIC = "optimistic"
    PESSIMISTIC = "pessimistic"


@dataclass(slots=True)
class Transaction:
    """The documents a transaction has read (with versions) and locked; ``used`` is on the monotonic clock.

    ``snapshot``: the documents of a read-only one.
    """

    used: float
    snapshot: Mapping[str, Any] | None = None
    reads: dict[str, int] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)


class Database:
    """All documents by name. ``lock_timeout`` in seconds."""

    def __init__(self, clock: Clock, mode: Mode = Mode.OPTIMISTIC, lock_timeout: float = 1.0) -> None:
        self.mode = mode
        self.documents: dict[str, Any] = {}
        self.clock = clock
        self._lock_timeout = lock_timeout
        self._versions: dict[
            str, int
        ] = {}  # also of deleted documents, so that transactions that read them are refused
        self._version = itertools.count(1)
        self._transactions: dict[bytes, Transaction] = {}
        self._numbers = itertools.count(1)
        self._locks: dict[str, asyncio.Lock] = {}
        self._last = 0  # µs of the last commit

    def time(self) -> Any:
        """The current time in microseconds, never the same twice."""
        self._last = max(self._last + 1, int(self.clock.now().timestamp() * 1_000_000))
        return Timestamp(seconds=self._last // 1_000_000, nanos=self._last % 1_000_000 * 1000)

    def begin(self, options: Any = None) -> bytes:
        """Begins a transaction."""
        self._give_up_idle()
        id_ = b"transaction %d" % next(self._numbers)
        read_only = options is not None and options.WhichOneof("mode") == "read_only"
        snapshot = dict(self.documents) if read_only else None  # documents are replaced, never changed
        self._transactions[id_] = Transaction(self.clock.monotonic(), snapshot)
        return id_

    def end(self, id_: bytes) -> None:
        """Releases the transaction's locks; an unknown transaction is not an error."""
        transaction = self._transactions.pop(id_, None)
        for name in transaction.locked if transaction is not None else ():
            self._locks[name].release()

    async def read(self, name: str, transaction: bytes = b"") -> Any:
        """Reads a document; None if it does not exist.

        Raises: Refused.
        """
        if transaction:
            await self._enter(self._transaction(transaction), name)
        return self.seen(transaction).get(name)

    def seen(self, transaction: bytes = b"") -> Mapping[str, Any]:
        """All documents as the transaction sees them; the caller must record its reads with ``read``.

        Raises: Refused.
        """
        snapshot = self._transaction(transaction).snapshot if transaction else None
        return self.documents if snapshot is None else snapshot

    async def commit(self, requested: Sequence[Any], transaction: bytes = b"") -> tuple[list[Any], Any]:
        """Applies all writes or none; returns the result of each and the commit time.

        Raises: Refused; the transaction ends in any case.
        """
        id_ = transaction or self.begin()
        try:
            await self._admit(self._transaction(id_), sorted({writes.target(write) for write in requested}))
            return self._apply(requested)
        finally:
            self.end(id_)

    def expire(self, ttl_field: str) -> int:
        """Deletes documents whose TTL has expired; returns their number."""
        now = self.clock.now().timestamp()
        gone = [name for name, document in self.documents.items() if _expired(document, ttl_field, now)]
        for name in gone:
            self._keep(name, None)
        return len(gone)

    # ---------------------------------------------------------------- transactions

    def _transaction(self, id_: bytes) -> Transaction:
        transaction = self._transactions.get(id_)
        if transaction is None:
            message = "The referenced transaction has expired or is no longer valid."
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
        transaction.used = self.clock.monotonic()
        return transaction

    async def _enter(self, transaction: Transaction, name: str) -> None:
        if transaction.snapshot is not None:
            return
        if self.mode is Mode.PESSIMISTIC:
            await self._lock(transaction, name)
        transaction.reads.setdefault(name, self._versions.get(name, 0))

    async def _lock(self, transaction: Transaction, name: str) -> None:
        if name in transaction.locked:
            return
        self._give_up_idle()
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(self._lock_timeout):
                await lock.acquire()
        except TimeoutError as error:
            raise Refused(grpc.StatusCode.ABORTED, "Transaction lock timeout.") from error
        transaction.locked.add(name)

    async def _admit(self, transaction: Transaction, names: Sequence[str]) -> None:
        if names and transaction.snapshot is not None:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Cannot modify entities in a read-only transaction.")
        if self.mode is Mode.PESSIMISTIC:
            for name in names:
                await self._lock(transaction, name)
        if any(self._versions.get(name, 0) != version for name, version in transaction.reads.items()):
            message = "Too much contention on these documents. Please try again."
            raise Refused(grpc.StatusCode.ABORTED, message)

    def _give_up_idle(self) -> None:
        horizon = self.clock.monotonic() - IDLE_LIFETIME
        for id_ in [id_ for id_, each in self._transactions.items() if each.used < horizon]:
            self.end(id_)

    # ---------------------------------------------------------------- writes

    def _apply(self, requested: Sequence[Any]) -> tuple[list[Any], Any]:
        time, staged, results = self.time(), dict[str, Any](), []
        for write in requested:
            name = writes.target(write)
            current = staged[name] if name in staged else self.documents.get(name)
            writes.check(write, current, name)
            staged[name], result = writes.apply(write, current, name, time)
            results.append(result)
        for name, document in staged.items():
            if document is not self.documents.get(name):
                self._keep(name, document)
        return results, time

    def _keep(self, name: str, document: Any) -> None:
        self._versions[name] = next(self._version)
        if document is None:
            self.documents.pop(name, None)
        else:
            self.documents[name] = document


def _expired(document: Any, ttl_field: str, now: float) -> bool:
    value = get(document.fields, [ttl_field])
    if value is None or value.WhichOneof("value_type") != "timestamp_value":
        return False
    return bool(value.timestamp_value.seconds < now)
