"""What a load test or a chaos experiment found, as an exit code for CI."""

from __future__ import annotations

from perkie_cli.domain.errors.base import PerkieError


class RunInvalid(PerkieError):
    """The run says nothing about the service: the generator was the limit, or a fault was never met."""

    exit_code = 98


class ThresholdsFailed(PerkieError):
    """The service did not hold what was asked of it."""

    exit_code = 99
