"""The error for missing Google credentials, the same for every store."""

from __future__ import annotations

from perkie_cli.domain.errors import MissingCredentials

LOGIN = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file."


def missing_credentials(store: str, error: Exception) -> MissingCredentials:
    """``error`` is google-auth's; its first sentence says what it looked for."""
    reason = str(error.args[0]).partition(". ")[0].rstrip(".")
    return MissingCredentials(f"no Google credentials for {store}: {reason}", hint=LOGIN)
