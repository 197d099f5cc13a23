"""Free pictures per day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.quotas.limits import QuotaLimits

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def quota_limits(its: Services) -> QuotaLimits:
    """Pictures per day and tier."""
    quota = its.settings.quota
    return QuotaLimits(quota.customer, quota.session, quota.ip, quota.ip_ceiling)
