"""Quota administration by on-call engineers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.services.quotas.admin import QuotaAdmin
from perkie_cli.telemetry.audit import current_actor

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def quota_admin(its: Services) -> QuotaAdmin:
    """Shows, resets and grants quotas."""
    return QuotaAdmin(its.documents, its.quota_limits, its.clock, its.events, current_actor())
