"""Google's credentials, and the error when there are none, the same for every store."""

from __future__ import annotations

import asyncio
from typing import Any

from perkie_cli.domain.errors import MissingCredentials

LOGIN = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."


def missing_credentials(store: str, error: Exception) -> MissingCredentials:
    """``error`` is google-auth's; its first sentence says what it looked for."""
    reason = str(error.args[0]).partition(". ")[0].rstrip(".")
    return MissingCredentials(f"no Google credentials for {store}: {reason}", hint=LOGIN)


async def log_in(store: str, scope: str) -> tuple[Any, str | None]:
    """The credentials of this machine, and their project. Raises: MissingCredentials."""
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:  # in a thread: it reads files and may call the machine's metadata server
        return await asyncio.to_thread(google.auth.default, scopes=[scope])
    except GoogleAuthError as error:
        raise missing_credentials(store, error) from error
