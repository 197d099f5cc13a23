"""Charging pictures to quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.services.quotas.quotas import QuotaRules, Quotas
from perkie_cli.stores.memory import MemoryDocuments

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def quotas(its: Services) -> Quotas:
    """Reserves a picture before it is drawn, then charges or releases it."""
    quota = its.settings.quota
    rules = QuotaRules(quota.when_down, quota.lease_margin.total_seconds(), count_local=quota.count_local)
    return Quotas(its.documents, MemoryDocuments(), rules, its.clock, its.events)
