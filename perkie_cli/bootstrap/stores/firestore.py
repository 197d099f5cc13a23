"""Documents in Firestore. Imports Google's client, which takes seconds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from perkie_cli.ports import DocumentStore
from perkie_cli.stores.google.documents import FirestoreDocuments
from perkie_cli.stores.google.firestore_connection import FirestoreConnection
from perkie_cli.stores.google.ttl import FirestoreTtl

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def firestore(its: Services) -> FirestoreConnection:
    """The connection to the database."""
    firestore = its.settings.firestore
    return FirestoreConnection(firestore.project, firestore.database, firestore.patience, its.environ)


def ttl_policies(its: Services) -> FirestoreTtl:
    """The TTL policies of the database."""
    return FirestoreTtl(its.firestore, its.settings.firestore.prefix)


def firestore_documents(its: Services) -> DocumentStore:
    """The documents of quotas, idempotency records and the ledger, if they are kept in Firestore."""
    rng = random.Random()  # noqa: S311 -- jitter, no secret
    return FirestoreDocuments(its.firestore, its.settings.firestore.prefix, its.clock, rng)
