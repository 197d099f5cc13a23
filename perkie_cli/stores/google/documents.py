"""Documents in Firestore, changed by compare-and-set, as Firestore's own mobile and web clients do transactions.

One attempt is a read and a commit with the precondition that nothing has changed since. A transaction would hold locks
from its first read on: after a lost answer or the death of a process they would stay for a minute and block everybody
who needs the same documents. The loser of a race retries after a jittered wait: without jitter, many writers of one
document would starve each other. Within this process, updates of a document take turns, so that only processes
compete for it.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from google.api_core import exceptions
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsRequest,
    CommitRequest,
    Cursor,
    DocumentMask,
    Precondition,
    RunQueryRequest,
    StructuredQuery,
    Value,
    Write,
)
from google.cloud.firestore_v1.types import (
    Document as StoredDocument,
)

from perkie_cli.ports import Change, Clock, Document, DocumentRef
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.google.firestore_values import decode, encode

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.5  # seconds before a retry; full jitter
FAULTS_MOST = 5
AT_ONCE = 50  # concurrent updates; more would only slow each other down
PAGE = 300  # documents per query of a scan
LAST = "\U0010ffff"  # sorts after every continuation of a prefix

# After these the outcome is unknown; changes are idempotent, so a retry is safe.
_FAULTS = (exceptions.ServiceUnavailable, exceptions.InternalServerError)


class _Overtaken(Exception):
    """A document has changed since it was read."""


class FirestoreDocuments:
    """``ports.DocumentStore`` over Firestore. Collection names get ``prefix``: several shops can share a database."""

    def __init__(self, connection: FirestoreConnection, prefix: str, clock: Clock, rng: random.Random) -> None:
        self._connection = connection
        self._prefix = prefix
        self._clock = clock
        self._rng = rng
        self._busy = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[DocumentRef, asyncio.Lock] = WeakValueDictionary()

    @property
    def name(self) -> str:
        """``firestore:PROJECT/DATABASE``."""
        return self._connection.name

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Retries until the timeout, which does not include the wait for a turn within this process."""
        async with AsyncExitStack() as turns:
            for ref in sorted(set(refs), key=lambda ref: (ref.collection, ref.id)):  # a fixed order avoids deadlocks
                await turns.enter_async_context(self._turns.setdefault(ref, asyncio.Lock()))
            await turns.enter_async_context(self._busy)
            async with self._connection.answering():
                return await self._attempts(lambda: self._attempt(refs, change))

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The committed documents."""
        async with self._connection.answering():
            return [_plain(each) for each in await self._attempts(lambda: self._get(refs))]

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams documents page by page."""
        after: str | None = None
        while True:
            async with self._connection.answering():
                page = await self._attempts(functools.partial(self._page, collection, prefix, after))
            for id_, document in page:
                yield id_, document
            if len(page) < PAGE:
                return
            after = page[-1][0]

    async def ping(self) -> None:
        """Reads a document, which may be absent, to check that the store answers."""
        await self.read([DocumentRef("ping", "ping")])

    async def aclose(self) -> None:
        """Does nothing: the creator of the connection closes it."""

    async def _attempts(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retries lost races until the timeout, faults only a few times: an outage must be reported soon."""
        wait, faults = FIRST_WAIT, 0
        while True:
            try:
                return await attempt()
            except (_Overtaken, exceptions.Aborted):
                pass  # the others' change was in between: again, on what there is now
            except _FAULTS:
                faults += 1
                if faults == FAULTS_MOST:
                    raise
            await self._clock.sleep(self._rng.uniform(0, wait))
            wait = min(LONGEST_WAIT, wait * 2)

    async def _attempt(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        found = await self._get(refs)
        before = [_plain(each) for each in found]
        after, result = change(before)
        if any(new != old for old, new in zip(before, after, strict=True)):
            rows = zip(refs, found, before, after, strict=True)
            await self._commit([self._write(ref, stored, old, new) for ref, stored, old, new in rows])
        return result

    async def _get(self, refs: Sequence[DocumentRef]) -> list[Any]:
        """Documents as Firestore sends them (the generated message), or None."""
        names = [self._name(ref) for ref in refs]
        request = BatchGetDocumentsRequest(database=self._connection.path, documents=names)
        found: dict[str, Any] = {}
        async for answer in await self._connection.client.batch_get_documents(request, **self._options()):
            message = type(answer).pb(answer)
            if message.HasField("found"):
                found[message.found.name] = message.found
        return [found.get(name) for name in names]

    async def _commit(self, writes: Sequence[Write]) -> None:
        request = CommitRequest(database=self._connection.path, writes=writes)
        try:
            await self._connection.client.commit(request, **self._options())
        except (exceptions.FailedPrecondition, exceptions.AlreadyExists) as error:
            raise _Overtaken from error

    async def _page(self, collection: str, prefix: str, after: str | None) -> list[tuple[str, Document]]:
        client = self._connection.client
        start = self._cursor(collection, prefix, before=True) if after is None else self._cursor(collection, after)
        query = StructuredQuery(
            from_=[StructuredQuery.CollectionSelector(collection_id=self._prefix + collection)],
            order_by=[StructuredQuery.Order(field=StructuredQuery.FieldReference(field_path="__name__"))],
            limit=PAGE,
        )
        if prefix or after is not None:
            query.start_at = start
        if prefix:
            query.end_at = self._cursor(collection, prefix + LAST, before=True)
        request = RunQueryRequest(parent=self._connection.root, structured_query=query)
        page: list[tuple[str, Document]] = []
        async for answer in await client.run_query(request, **self._options()):
            message = type(answer).pb(answer)
            if message.HasField("document"):
                page.append((message.document.name.rpartition("/")[2], decode(message.document.fields)))
        return page

    def _write(self, ref: DocumentRef, stored: Any, old: Document | None, new: Document | None) -> Write:
        """A write with the precondition that the document is unchanged; documents without changes get no new fields."""
        absent = Precondition(exists=False)
        only_if = absent if stored is None else Precondition(update_time=stored.update_time.ToDatetime(UTC))
        name = self._name(ref)
        if new is None:
            return Write(delete=name, current_document=only_if)
        if new == old:
            nothing = DocumentMask(field_paths=[])
            return Write(update=StoredDocument(name=name), update_mask=nothing, current_document=only_if)
        return Write(update=StoredDocument(name=name, fields=encode(new)), current_document=only_if)

    def _name(self, ref: DocumentRef) -> str:
        return f"{self._connection.root}/{self._prefix}{ref.collection}/{ref.id}"

    def _cursor(self, collection: str, id_: str, *, before: bool = False) -> Cursor:
        return Cursor(values=[Value(reference_value=self._name(DocumentRef(collection, id_)))], before=before)

    def _options(self) -> dict[str, Any]:
        # Google's own retries are off: they would wait up to a minute longer than our timeout.
        return {
            "retry": None,
            "timeout": self._connection.timeout,
            "metadata": self._connection.metadata,
        }


def _plain(stored: Any) -> Document | None:
    return None if stored is None else decode(stored.fields)
