"""Who may do what: unknown callers, missing and refused credentials."""

from __future__ import annotations

from perkie_cli.domain.errors.base import PerkieError
from perkie_cli.domain.policy import Cover


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
