"""The root of the error tree, and the errors that belong to no subject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from perkie_cli.domain.policy import Cover, Retry
from perkie_cli.domain.secret import masked

ACT = 9  # the exit code of what somebody has to mend first
EXIT_CODES: Mapping[int, str] = {
    0: "all done",
    1: "unexpected error (a bug; `-v` shows the traceback)",
    2: "usage",
    3: "bad input (image, file, setting), or a photo that the upstream blocks",
    4: "not authorised, credentials missing",
    5: "unavailable now: the same command may succeed later",
    6: "partial: some items done, some failed (each is named, with its own `retryable`)",
    7: "quota or budget exceeded; also if nothing else made items fail",
    8: "changes pending, or findings (`diff`, `--check`, `verify`)",
    ACT: "somebody has to act: something is not installed, a disk is full, a store is corrupt, a request is refused",
    98: "load test invalid: the generator was the limit; or no call met an experiment's fault",
    99: "thresholds failed, slower than before, a chaos experiment failed; or a canary was bad and went back",
    130: "interrupted; finished work is kept, the same command goes on",
}
"""What each exit code tells a script. `python -m tests.made_exit_codes` writes the README's table."""


class PerkieError(Exception):
    """Base of everything perkie raises on purpose. ``message`` says in one sentence what was wrong and where, ``hint``
    what to do about it; both without credentials in addresses. ``retry_after`` is in seconds; None where waiting does
    not help.
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
        self.message = masked(message)
        super().__init__(self.message)
        self.hint = masked(hint) if hint else self.usual_hint
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders (worker pools); keyword fields must survive pickling."""
        return _restore, (type(self), self.message, self.hint, self.retry_after)


def codes() -> frozenset[str]:
    """The codes of all errors."""

    def kinds(of: type[PerkieError]) -> Iterator[type[PerkieError]]:
        for kind in of.__subclasses__():
            yield kind
            yield from kinds(kind)

    return frozenset(kind.code for kind in kinds(PerkieError))


def _restore(cls: type[PerkieError], message: str, hint: str | None, retry_after: float | None) -> PerkieError:
    return cls(message, hint=hint, retry_after=retry_after)


class BrokenInstall(PerkieError):
    """A file of the installed package is missing or was changed."""

    hidden = True
    usual_hint = "Install perkie again: pip install --force-reinstall --no-deps perkie-cli."


class UsageError(PerkieError):
    """The command line or the request does not make sense as a whole."""

    exit_code, http_status = 2, 422


class PartialFailure(PerkieError):
    """Some items of one command are done, some failed; each failure is reported separately."""

    exit_code, http_status = 6, 207


class ChangesPending(PerkieError):
    """A check found differences or findings."""

    exit_code, http_status = 8, 409


class Interrupted(PerkieError):
    """Stopped by the user; finished work is kept."""

    exit_code, http_status = 130, 499
