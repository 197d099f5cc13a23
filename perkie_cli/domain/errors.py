"""The error tree. Every error that a user may see is a ``PerkieError``; its class says how it is handled:

::

    PerkieError                       exit  http  again  tries  marks
    ├─ BrokenInstall                      1   500    -       1   ---H-
    ├─ UsageError                         2   422    -       1   -----
    ├─ BadInput                           3   422    -       1   -----
    │  ├─ NotAnImage                      3   415    -       1   -----
    │  ├─ CorruptImage                    3   422    -       1   -----
    │  ├─ TooManyBytes                    3   413    -       1   -----
    │  ├─ TooManyPixels                   3   422    -       1   -----
    │  ├─ TooSmall                        3   422    -       1   -----
    │  ├─ UnreadableFile                  3   400    -       1   -----
    │  ├─ UnwritableFile                  3   500    -       1   -----
    │  ├─ UnknownStyle                    3   422    -       1   -----
    │  ├─ InvalidParameter                3   422    -       1   -----
    │  ├─ InvalidIdentity                 3   422    -       1   -----
    │  ├─ InvalidSetting                  3   500    -       1   S-NHE
    │  ├─ OutputExists                    3   409    -       1   -----
    │  ├─ NotFound                        3   404    -       1   -----
    │  ├─ RetiredModel                    3   422    -       1   S-N--
    │  ├─ ProtectedBucket                 3   403    -       1   -----
    │  ├─ LowConfidence                   3   422    -       1   -----
    │  └─ IdempotencyMismatch             3   422    -       1   -----
    ├─ NotAuthorised                      4   401    -       1   S----
    │  ├─ MissingCredentials              4   503    -       1   S-NHE
    │  ├─ WrongCredentials                4   503    -       1   S--HE
    │  └─ Forbidden                       4   403    -       1   S----
    ├─ Unavailable                        5   503   yes      1   L----
    │  ├─ UpstreamFault                   5   503   yes      3   LF-H-
    │  │  ├─ UpstreamTimeout              5   504   yes      3   LF-H-
    │  │  ├─ UpstreamOverloaded           5   503   yes      2   L--H-
    │  │  ├─ UpstreamBroken               5   503   yes      2   LF-H-
    │  │  ├─ BadAnswer                    5   503   yes      2   LF-H-
    │  │  └─ UnexpectedAnswer             5   503   yes      1   L--H-
    │  ├─ UpstreamExhausted               5   503   yes      1   L--HE
    │  ├─ UpstreamRefused                 5   503    -       1   L--H-
    │  ├─ Blocked                         5   422    -       1   L----
    │  │  └─ SafetyBlock                  5   422    -       2   L----
    │  ├─ AtCapacity                      5   503   yes      1   L-N--
    │  ├─ BreakerOpen                     5   503   yes      1   L-N--
    │  ├─ DeadlineExceeded                5   504   yes      1   L-N--
    │  ├─ StoreUnavailable                5   503   yes      1   L-NH-
    │  ├─ OutOfMemory                     5   503   yes      1   L----
    │  ├─ MissingExtra                    5   503    -       1   L-NH-
    │  ├─ MissingWeights                  5   503    -       1   L--H-
    │  └─ MissingDevice                   5   503    -       1   L--H-
    ├─ PartialFailure                     6   207    -       1   -----
    ├─ LimitReached                       7   429   yes      1   -----
    │  ├─ QuotaExceeded                   7   429   yes      1   -----
    │  ├─ RateLimited                     7   429   yes      1   -----
    │  └─ BudgetExceeded                  7   429    -       1   --N--
    │     └─ DailyCapReached              7   503   yes      1   L-NHE
    ├─ ChangesPending                     8   409    -       1   -----
    └─ Interrupted                      130   499    -       1   -----

    again  ``retryable``: the same request may succeed later
    tries  ``retry.attempts``: calls upstream in all after such a failure
    marks  L  the degradation ladder catches it; S: only for requests that it covers for our own set-up (``covered``)
           F  a fault of the upstream: counts in the breaker (``speaks_against``)
           N  nothing was sent: perkie refused by itself (``sent`` is false)
           H  hidden from customers: the cause is for the operator only (``hidden``)
           E  ends a run of several pictures: all others would fail the same way (``ends_run``)

``code`` is the class name in snake case, as in the JSON envelope and in ``urn:perkie:problem:<code>``.
"""

from __future__ import annotations

import re
from typing import ClassVar

from perkie_cli.domain.policy import Cover, Retry


class PerkieError(Exception):
    """Base of everything perkie raises on purpose. ``message`` says in one sentence what was wrong and where, ``hint``
    what to do about it. ``retry_after`` is in seconds; None where waiting does not help.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry: ClassVar[Retry] = Retry()
    covered: ClassVar[Cover] = Cover.NEVER
    speaks_against: ClassVar[bool | None] = False  # is the upstream at fault? None: says nothing about its health
    sent: ClassVar[bool] = True
    hidden: ClassVar[bool] = False
    ends_run: ClassVar[bool] = False
    usual_hint: ClassVar[str | None] = None  # used when no other hint is given

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


class BrokenInstall(PerkieError):
    """A file of the installed package is missing or was changed."""

    hidden = True
    usual_hint = "Install perkie again: pip install --force-reinstall --no-deps perkie-cli."


class UsageError(PerkieError):
    """The command line or the request does not make sense as a whole."""

    exit_code, http_status = 2, 422


class BadInput(PerkieError):
    """Something the caller gave is wrong; the same call will fail again."""

    exit_code, http_status = 3, 422


class NotAnImage(BadInput):
    """The bytes are not an image in a format that perkie reads."""

    http_status = 415


class CorruptImage(BadInput):
    """An image with a valid start that does not decode completely."""


class TooManyBytes(BadInput):
    """The upload or file is over the byte limit."""

    http_status = 413


class TooManyPixels(BadInput):
    """The header declares more pixels than allowed; nothing was decoded."""


class TooSmall(BadInput):
    """A side is shorter than the minimum."""


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

    covered, hidden, sent, ends_run, http_status = Cover.SETUP, True, False, True, 500


class OutputExists(BadInput):
    """The output path holds a file that perkie did not make."""

    http_status = 409


class NotFound(BadInput):
    """Nothing is stored or served under that name."""

    http_status = 404


class RetiredModel(BadInput):
    """The model was shut down by its maker; names the successor."""

    covered, sent = Cover.SETUP, False


class ProtectedBucket(BadInput):
    """A command would delete in, or change the lifecycle of, a protected bucket."""

    http_status = 403


class LowConfidence(BadInput):
    """No clear subject in the picture (only an error when asked to be strict)."""


class IdempotencyMismatch(BadInput):
    """The same idempotency key came with another payload."""


class NotAuthorised(PerkieError):
    """The caller is unknown or has not proven its identity."""

    covered = Cover.SETUP
    exit_code, http_status = 4, 401


class MissingCredentials(NotAuthorised):
    """No key or account is configured for the upstream that was asked for."""

    hidden, sent, ends_run, http_status = True, False, True, 503


class WrongCredentials(NotAuthorised):
    """The upstream refused our key or account."""

    hidden, ends_run, http_status = True, True, 503


class Forbidden(NotAuthorised):
    """Known, but not allowed to do this."""

    http_status = 403


class Unavailable(PerkieError):
    """Something perkie depends on cannot serve now."""

    covered = Cover.ALWAYS
    exit_code, http_status, retryable = 5, 503, True


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

    retry, speaks_against = Retry(1), None


class UpstreamExhausted(Unavailable):
    """The upstream's quota of the day is used up; ``retry_after`` is the time until its next day."""

    hidden, speaks_against, ends_run = True, None, True


class UpstreamRefused(Unavailable):
    """The upstream refused the request itself; a retry is useless."""

    hidden, retryable = True, False


class Blocked(Unavailable):
    """A safety or policy block by the upstream."""

    http_status, retryable = 422, False
    usual_hint = "Try another photo or style, or --engine local."


class SafetyBlock(Blocked):
    """A safety block, which the style's safe prompt may pass."""

    retry = Retry(2)


class AtCapacity(Unavailable):
    """Our own limit on upstream calls, or on work in progress, is reached."""

    sent = False


class BreakerOpen(Unavailable):
    """The circuit breaker blocks calls to a failing upstream."""

    sent = False


class DeadlineExceeded(Unavailable):
    """The caller's deadline has passed."""

    sent, http_status = False, 504


class StoreUnavailable(Unavailable):
    """The cache, quota or ledger store does not answer."""

    sent, hidden = False, True


class OutOfMemory(Unavailable):
    """The device has too little memory for this work; a smaller batch may fit."""


class MissingExtra(Unavailable):
    """An optional package is not installed; the hint names the extra."""

    hidden, sent, retryable = True, False, False


class MissingWeights(Unavailable):
    """Model weights are missing or damaged; the hint says how to get them."""

    hidden, retryable = True, False


class MissingDevice(Unavailable):
    """This machine does not have the requested device."""

    hidden, retryable = True, False


class PartialFailure(PerkieError):
    """Some items of one command are done, some failed; each failure is reported separately."""

    exit_code, http_status = 6, 207


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


class ChangesPending(PerkieError):
    """A check found differences or findings."""

    exit_code, http_status = 8, 409


class Interrupted(PerkieError):
    """Stopped by the user; finished work is kept."""

    exit_code, http_status = 130, 499
