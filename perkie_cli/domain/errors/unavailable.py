"""What perkie depends on cannot serve now."""

from __future__ import annotations

from perkie_cli.domain.errors.base import ACT, PerkieError
from perkie_cli.domain.policy import Cover


class Unavailable(PerkieError):
    """Something perkie depends on cannot serve now."""

    covered = Cover.ALWAYS
    exit_code, http_status, retryable = 5, 503, True


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


_NO_MEMORY = -4  # OpenCV's StsNoMem


def out_of_memory(error: BaseException, work: str) -> OutOfMemory | None:
    """The error for what an exception of any library says about memory; None if it says something else."""
    unmapped = isinstance(error, ImportError) and "failed to map segment" in str(error)
    if not (isinstance(error, MemoryError) or unmapped or getattr(error, "code", None) == _NO_MEMORY):
        return None
    return OutOfMemory(f"too little memory {work}", hint="Give perkie more of it, fewer --jobs, or a smaller picture.")


class MissingExtra(Unavailable):
    """An optional package is not installed; the hint names the extra."""

    hidden, sent, ends_run, exit_code, retryable = True, False, True, ACT, False


class MissingWeights(Unavailable):
    """Model weights are missing or damaged; the hint says how to get them."""

    hidden, ends_run, exit_code, retryable = True, True, ACT, False


class MissingDevice(Unavailable):
    """This machine does not have the requested device."""

    hidden, ends_run, exit_code, retryable = True, True, ACT, False
