"""Free pictures a day, and the documents that they are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.quotas.limits import QuotaLimits
from perkie_cli.ports import DocumentStore
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments
from perkie_cli.stores.sqlite.documents import SqliteDocuments

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def documents(its: Services) -> DocumentStore:
    """Quotas and idempotency records."""
    if its.settings.quota.store == "firestore":
        return its.firestore_documents
    return SqliteDocuments(its.settings.quota.path or its.state_dir / "quotas.sqlite", its.clock)


def quota_limits(its: Services) -> QuotaLimits:
    """Pictures a day and tier."""
    quota = its.settings.quota
    return QuotaLimits(quota.customer, quota.session, quota.ip, quota.ip_ceiling)


def quotas(its: Services) -> Quotas:
    """Reserves and charges pictures."""
    quota = its.settings.quota
    rules = QuotaRules(quota.when_down, quota.lease_margin.total_seconds(), count_local=quota.count_local)
    return Quotas(its.documents, MemoryDocuments(), rules, its.clock, its.events)
