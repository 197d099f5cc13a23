"""Small documents: quotas and idempotency records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.ports import DocumentStore
from perkie_cli.stores.sqlite.documents import SqliteDocuments

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def quota_file(its: Services) -> Path:
    """The file of documents that are not in Firestore."""
    return its.settings.quota.path or its.state_dir / "quotas.sqlite"


def documents(its: Services) -> DocumentStore:
    """The configured document store."""
    if its.settings.quota.store == "firestore":
        return its.firestore_documents
    return SqliteDocuments(its.quota_file, its.clock, look_anyway=not its.is_server)
