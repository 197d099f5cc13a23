"""The one error tree. Every error a user may meet is a ``PerkieError``:

::

    PerkieError                         exit  http  retryable
    ├─ UsageError                          2   422
    ├─ BadInput                            3   422
    │  ├─ NotAnImage                       3   415
    │  ├─ CorruptImage                     3   422
    │  ├─ TooManyBytes                     3   413
    │  ├─ TooManyPixels                    3   422
    │  ├─ TooSmall                         3   422
    │  ├─ UnreadableFile                   3   400
    │  ├─ UnwritableFile                   3   500
    │  ├─ UnknownStyle                     3   422
    │  ├─ InvalidParameter                 3   422
    │  ├─ InvalidIdentity                  3   422
    │  ├─ InvalidSetting                   3   500
    │  ├─ OutputExists                     3   409
    │  ├─ NotFound                         3   404
    │  ├─ RetiredModel                     3   422
    │  ├─ ProtectedBucket                  3   403
    │  ├─ LowConfidence                    3   422
    │  └─ IdempotencyMismatch              3   422
    ├─ NotAuthorised                       4   401
    │  ├─ MissingCredentials               4   503
    │  ├─ WrongCredentials                 4   503
    │  └─ Forbidden                        4   403
    ├─ Unavailable                         5   503  yes
    │  ├─ UpstreamFault                    5   503  yes
    │  │  ├─ UpstreamTimeout               5   504  yes
    │  │  ├─ UpstreamOverloaded            5   503  yes   (429 from the upstream)
    │  │  ├─ UpstreamBroken                5   503  yes   (500 from the upstream)
    │  │  └─ BadAnswer                     5   503  yes   (empty, corrupt or no image)
    │  ├─ UpstreamRefused                  5   503        (400/403/404: asking again is useless)
    │  ├─ Blocked                          5   422        (policy block)
    │  │  └─ SafetyBlock                   5   422        (a block that a tamer prompt may pass)
    │  ├─ AtCapacity                       5   503  yes
    │  ├─ BreakerOpen                      5   503  yes
    │  ├─ DeadlineExceeded                 5   504  yes
    │  ├─ StoreUnavailable                 5   503  yes
    │  ├─ OutOfMemory                      5   503  yes
    │  ├─ MissingExtra                     5   503        (an optional package is not installed)
    │  ├─ MissingWeights                   5   503
    │  └─ MissingDevice                    5   503
    ├─ PartialFailure                      6   207
    ├─ LimitReached                        7   429  yes
    │  ├─ QuotaExceeded                    7   429  yes
    │  ├─ RateLimited                      7   429  yes
    │  └─ BudgetExceeded                   7   429
    │     └─ DailyCapReached               7   503  yes
    ├─ ChangesPending                      8   409
    └─ Interrupted                       130   499

``code`` is the class name in snake case: it stands in the JSON envelope and in ``urn:perkie:problem:<code>``.
"""

from __future__ import annotations

import re
from typing import ClassVar


class PerkieError(Exception):
    """Base of everything perkie raises on purpose.

    ``message`` says in one sentence what was wrong and where, ``hint`` what to do about it;
    ``retry_after`` is in seconds, where waiting helps.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    usual_hint: ClassVar[str | None] = None  # where the raiser knows nothing better

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.usual_hint
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders (worker pools); keyword fields must survive pickling."""
        return _restore, (type(self), self.message, self.hint, self.retry_after)


def _restore(cls: type[PerkieError], message: str, hint: str | None, retry_after: float | None) -> PerkieError:
    return cls(message, hint=hint, retry_after=retry_after)


class UsageError(PerkieError):
    """The command line or the request does not make sense as a whole."""

    exit_code, http_status = 2, 422


class BadInput(PerkieError):
    """Something the caller gave is wrong; the same call will fail again."""

    exit_code, http_status = 3, 422


class NotAnImage(BadInput):
    """The bytes are no image of a kind that perkie reads."""

    http_status = 415


class CorruptImage(BadInput):
    """An image that begins well but does not decode whole."""


class TooManyBytes(BadInput):
    """The upload or file is over the byte limit."""

    http_status = 413


class TooManyPixels(BadInput):
    """The header promises more pixels than the cap; nothing was decoded."""


class TooSmall(BadInput):
    """Under the least side length."""


class UnreadableFile(BadInput):
    """Missing, a directory, empty, or not permitted."""

    http_status = 400


class UnwritableFile(BadInput):
    """An output, or the folder for it, that cannot be written."""

    http_status = 500


class UnknownStyle(BadInput):
    """No style of that id or alias."""


class InvalidParameter(BadInput):
    """A field, flag or style parameter is out of its range."""


class InvalidIdentity(BadInput):
    """A customer id, session id or address that is not one."""


class InvalidSetting(BadInput):
    """A configuration value that cannot be used; names the file or variable it came from."""

    http_status = 500


class OutputExists(BadInput):
    """A file that perkie did not make stands where the output should go."""

    http_status = 409


class NotFound(BadInput):
    """Nothing is stored, or served, under that name."""

    http_status = 404


class RetiredModel(BadInput):
    """The model was shut down by its maker; names the successor."""


class ProtectedBucket(BadInput):
    """A command would delete in, or change the lifecycle of, a protected bucket."""

    http_status = 403


class LowConfidence(BadInput):
    """No clear subject in the picture (only an error when asked to be strict)."""


class IdempotencyMismatch(BadInput):
    """The same idempotency key came with another payload."""


class NotAuthorised(PerkieError):
    """Who asks is not known or not proven."""

    exit_code, http_status = 4, 401


class MissingCredentials(NotAuthorised):
    """No key or account is configured for the upstream that was asked for."""

    http_status = 503


class WrongCredentials(NotAuthorised):
    """The upstream refused our key or account."""

    http_status = 503


class Forbidden(NotAuthorised):
    """Known, but not allowed to do this."""

    http_status = 403


class Unavailable(PerkieError):
    """Something perkie depends on cannot serve now."""

    exit_code, http_status, retryable = 5, 503, True


class UpstreamFault(Unavailable):
    """The upstream failed: connection, 5xx, unreadable answer."""

    usual_hint = "Try again in a minute."


class UpstreamTimeout(UpstreamFault):
    """The upstream did not answer in time; the attempt may have been billed."""

    http_status = 504


class UpstreamOverloaded(UpstreamFault):
    """The upstream said 429; ``retry_after`` holds its own advice when it gave one."""


class UpstreamBroken(UpstreamFault):
    """The upstream failed inside (500)."""


class BadAnswer(UpstreamFault):
    """The upstream answered, but with no usable image."""


class UpstreamRefused(Unavailable):
    """The upstream refused the request itself; asking again is useless."""

    retryable = False


class Blocked(Unavailable):
    """A safety or policy block by the upstream."""

    http_status, retryable = 422, False
    usual_hint = "Try another photo or style, or the built-in engine."


class SafetyBlock(Blocked):
    """A safety block, which the style's safe prompt may pass."""


class AtCapacity(Unavailable):
    """Our own limit towards the upstream, or on work in hand, is reached."""


class BreakerOpen(Unavailable):
    """The circuit breaker keeps calls away from a failing upstream."""


class DeadlineExceeded(Unavailable):
    """The time that the caller gave is over."""

    http_status = 504


class StoreUnavailable(Unavailable):
    """The cache, quota or ledger store does not answer."""


class OutOfMemory(Unavailable):
    """The device has too little memory for this work; a smaller piece of it may fit."""


class MissingExtra(Unavailable):
    """An optional package is not installed; the hint names the extra."""

    retryable = False


class MissingWeights(Unavailable):
    """Model weights are absent or not what they should be; the hint names the way to get them."""

    retryable = False


class MissingDevice(Unavailable):
    """The device that was asked for is not on this machine."""

    retryable = False


class PartialFailure(PerkieError):
    """Some items of one command are done, some failed; each failure is reported by itself."""

    exit_code, http_status = 6, 207


class LimitReached(PerkieError):
    """A limit that protects the shop's money or service."""

    exit_code, http_status, retryable = 7, 429, True


class QuotaExceeded(LimitReached):
    """The owner's free pictures of the day are used."""


class RateLimited(LimitReached):
    """Too many requests in a short time."""


class BudgetExceeded(LimitReached):
    """The run's or the day's spending limit would be passed; nothing was spent."""

    retryable = False


class DailyCapReached(BudgetExceeded):
    """The day's spend towards the upstream has reached its cap; ``retry_after`` is the time until the next day."""

    http_status, retryable = 503, True


class ChangesPending(PerkieError):
    """A check found differences or findings."""

    exit_code, http_status = 8, 409


class Interrupted(PerkieError):
    """Stopped by the user; finished work is kept."""

    exit_code, http_status = 130, 499


def why_unread(error: OSError | ValueError) -> str:
    """Why a text file does not read; its name stands in the caller's sentence already."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)
