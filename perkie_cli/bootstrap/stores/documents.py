"""Small documents: quotas and idempotency records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.ports import DocumentStore
from perkie_cli.stores.sqlite.documents import SqliteDocuments

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def documents(its: Services) -> DocumentStore:
    """The configured document store."""
    if its.settings.quota.store == "firestore":
        return its.firestore_documents
    path = its.settings.quota.path or its.state_dir / "quotas.sqlite"
    return SqliteDocuments(path, its.clock, look_anyway=not its.is_server)
