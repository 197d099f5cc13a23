"""What a call to an upstream (Gemini, a matting service) can fail with."""

from __future__ import annotations

from typing import ClassVar

from perkie_cli.domain.errors.base import ACT
from perkie_cli.domain.errors.unavailable import Unavailable
from perkie_cli.domain.policy import Retry


class UpstreamFault(Unavailable):
    """The upstream failed: connection, 5xx, unreadable answer."""

    retry, hidden = Retry(3, (2.0, 5.0)), True
    speaks_against: ClassVar[bool | None] = True
    usual_hint = "Try again in a minute."


class UpstreamTimeout(UpstreamFault):
    """The upstream did not answer in time; the attempt may have been billed."""

    http_status = 504


class UpstreamOverloaded(UpstreamFault):
    """The upstream said 429; ``retry_after`` holds its own advice when it gave one."""

    retry, speaks_against = Retry(2, (5.0,), advised=True), None


class UpstreamBroken(UpstreamFault):
    """The upstream failed inside (500)."""

    retry = Retry(2, (5.0,))


class BadAnswer(UpstreamFault):
    """The upstream answered, but with no usable image."""

    retry = Retry(2, (5.0,))


class UnexpectedAnswer(UpstreamFault):
    """A call, or reading its answer, failed in an unforeseen way; a retry would fail too."""

    retry, speaks_against, exit_code, retryable = Retry(1), None, 1, False


class UpstreamExhausted(Unavailable):
    """The upstream's quota of the day is used up; ``retry_after`` is the time until its next day."""

    hidden, speaks_against, ends_run = True, None, True


class UpstreamRefused(Unavailable):
    """The upstream refused the request itself; a retry is useless."""

    hidden, exit_code, retryable = True, ACT, False


class ModelGone(UpstreamRefused):
    """The upstream does not offer the model that is set."""

    ends_run, exit_code = True, 3


class Blocked(Unavailable):
    """A safety or policy block by the upstream: of this photo and style."""

    exit_code, http_status, retryable = 3, 422, False
    usual_hint = "Try another photo or style, or the local engine."


class SafetyBlock(Blocked):
    """A safety block, which the style's safe prompt may pass."""

    retry = Retry(2)
