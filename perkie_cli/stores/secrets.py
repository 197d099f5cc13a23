"""Secrets that the settings refer to: ``file:///run/secrets/NAME``, as platforms mount them, or ``sm://…``.

A mounted file can change while a server runs; an environment variable cannot.
"""

from __future__ import annotations

from pathlib import Path

from perkie_cli.domain.errors import InvalidSetting, MissingCredentials
from perkie_cli.domain.secret import Secret
from perkie_cli.domain.units import why_unread
from perkie_cli.stores.google import secret_manager

_MAX_BYTES = 65_536  # as Secret Manager's own limit


def resolved(secret: Secret) -> Secret:
    """The secret behind a reference; any other secret unchanged. Blocks, so call it in a worker.

    Raises: InvalidSetting, MissingCredentials, and as ``secret_manager.resolved``.
    """
    if (path := secret.file) is not None:
        return Secret(_content(path))
    return secret_manager.resolved(secret)


def _content(path: Path) -> str:
    if not path.is_absolute():
        raise InvalidSetting(
            f"file://{path} does not name a file from the root on", hint="Write file:///run/secrets/NAME."
        )
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingCredentials(f"the secret's file {path} cannot be read: {why_unread(error)}") from error
    if not text or len(data) > _MAX_BYTES:
        raise MissingCredentials(f"the secret's file {path} is {'empty' if not text else 'over 64 KiB'}")
    return text
