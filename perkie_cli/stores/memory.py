"""Documents in memory, bounded: the replacement while the real store is down."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from perkie_cli.ports import Change, Document, DocumentRef

T = TypeVar("T")


class MemoryDocuments:
    """Up to ``limit`` documents; the least recently changed is dropped first, so new ids cannot fill the memory."""

    name = "memory"

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._documents: OrderedDict[DocumentRef, Document] = OrderedDict()

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Atomic, because it never awaits."""
        after, result = change([self._documents.get(ref) for ref in refs])
        for ref, document in zip(refs, after, strict=True):
            self._documents.pop(ref, None)
            if document is not None:
                self._documents[ref] = document
        while len(self._documents) > self._limit:
            self._documents.popitem(last=False)
        return result

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The current documents."""
        return [self._documents.get(ref) for ref in refs]

    async def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams documents in id order."""
        found = [ref for ref in self._documents if ref.collection == collection and ref.id.startswith(prefix)]
        for ref in sorted(found, key=lambda ref: ref.id):
            if ref in self._documents:
                yield ref.id, self._documents[ref]

    async def ping(self) -> None:
        """Does nothing: memory always answers."""

    async def aclose(self) -> None:
        """Does nothing: there is nothing to free."""
