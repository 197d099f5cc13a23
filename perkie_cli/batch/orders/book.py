"""The open orders: documents that all processes share which share quotas, since a cloud job starts on an empty disk."""

from __future__ import annotations

from collections.abc import Sequence

from perkie_cli.domain.pictures.orders import COLLECTION, Order
from perkie_cli.ports import Document, DocumentRef, DocumentStore


class OrderBook:
    """The orders that wait to be collected. Every method raises StoreUnavailable when the store does not answer."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def open(self) -> Sequence[Order]:
        """All of them, the oldest first."""
        found = [Order.from_document(*each) async for each in self._documents.scan(COLLECTION)]
        return sorted(found, key=lambda order: order.made)

    async def put(self, order: Order) -> None:
        """Remembers an order, or what was learned about it."""
        await self._write(order, order.to_document())

    async def remove(self, order: Order) -> None:
        """Forgets an order: it was collected, or never will be."""
        await self._write(order, None)

    async def _write(self, order: Order, document: Document | None) -> None:
        ref = DocumentRef(COLLECTION, order.id)
        await self._documents.update([ref], lambda _: ([document], None))
