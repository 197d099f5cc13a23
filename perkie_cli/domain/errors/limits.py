"""Limits that protect the shop's money and service."""

from __future__ import annotations

from perkie_cli.domain.errors.base import PerkieError
from perkie_cli.domain.policy import Cover


class LimitReached(PerkieError):
    """A limit that protects the shop's money or service."""

    exit_code, http_status, retryable = 7, 429, True


class QuotaExceeded(LimitReached):
    """The owner's free pictures of the day are used."""


class RateLimited(LimitReached):
    """Too many requests in a short time."""


class BudgetExceeded(LimitReached):
    """The picture would exceed the run's or the day's spending limit; nothing was spent."""

    sent, retryable = False, False


class DailyCapReached(BudgetExceeded):
    """The day's spending on the upstream has reached its cap; ``retry_after`` is the time until the next day."""

    covered, hidden, ends_run, http_status, retryable = Cover.ALWAYS, True, True, 503, True
