"""Charging pictures to quotas, and making each only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.resilience.leases import Leases
from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def quotas(its: Services) -> Quotas:
    """Reserves a picture before it is drawn, then charges or releases it."""
    quota = its.settings.quota
    rules = QuotaRules(quota.when_down, quota.lease_margin.total_seconds(), count_local=quota.count_local)
    return Quotas(its.documents, MemoryDocuments(), rules, its.clock, its.events)


def leases(its: Services) -> Leases:
    """Keeps processes that share the document store from doing the same work at the same time."""
    return Leases(its.documents, its.clock, its.events)
