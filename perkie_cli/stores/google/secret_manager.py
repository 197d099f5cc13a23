"""Secrets that the settings refer to as ``sm://projects/P/secrets/NAME/versions/V``, in Google Secret Manager.

One call of its REST API (https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access)
with the machine's credentials; a client library would cost half a second to import.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import InvalidSetting, MissingCredentials, PerkieError, Unavailable, WrongCredentials
from perkie_cli.domain.secret import Secret

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCHEME = "sm://"
ADDRESS = "https://secretmanager.googleapis.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TIMEOUT = 10.0  # seconds
_NAME = re.compile(r"projects/[\w:.-]+/secrets/[\w-]+/versions/[\w-]+")
_HINT = "The account needs roles/secretmanager.secretAccessor; `gcloud auth application-default login` sets one."


def resolved(secret: Secret, *, address: str = ADDRESS, credentials: Credentials | None = None) -> Secret:
    """The secret behind a reference; any other secret unchanged. Blocks, so call it in a worker.

    Raises: InvalidSetting, MissingCredentials, WrongCredentials, Unavailable.
    """
    if not secret.reveal().startswith(SCHEME):
        return secret
    name = secret.reveal().removeprefix(SCHEME)
    if not _NAME.fullmatch(name):
        raise InvalidSetting(
            f"{SCHEME}{name[:80]} is not a reference to a secret",
            hint="Write sm://projects/PROJECT/secrets/NAME/versions/latest.",
        )
    return Secret(_payload(name, address, credentials or _credentials()))


def _credentials() -> Credentials:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        found, _ = google.auth.default(scopes=SCOPES)
    except DefaultCredentialsError as error:
        raise MissingCredentials("no Google credentials to read secrets with", hint=_HINT) from error
    return found


def _payload(name: str, address: str, credentials: Credentials) -> str:
    import httpx2
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.auth.transport.requests import Request

    try:
        if not credentials.valid:
            credentials.refresh(Request())  # type: ignore[no-untyped-call]  # google-auth has no types there
        bearer = {"Authorization": f"Bearer {credentials.token}"}
        answer = httpx2.get(f"{address}/v1/{name}:access", headers=bearer, timeout=TIMEOUT)
    except TransportError as error:
        raise Unavailable("Google's sign-in does not answer") from error
    except GoogleAuthError as error:
        raise WrongCredentials("Google refused the credentials to read secrets with", hint=_HINT) from error
    except httpx2.HTTPError as error:
        raise Unavailable(f"no connection to Secret Manager ({type(error).__name__})") from error
    if answer.status_code != 200:
        raise _refusal(name, answer.status_code)
    try:
        return base64.b64decode(answer.json()["payload"]["data"], validate=True).decode().strip()
    except (ValueError, KeyError, TypeError):  # not chained: the error may contain part of the secret
        raise Unavailable(f"Secret Manager's answer for {name} cannot be read") from None


def _refusal(name: str, status: int) -> PerkieError:
    if status in (401, 403):
        return WrongCredentials(f"no access to the secret {name} ({status})", hint=_HINT)
    if status == 404:
        return MissingCredentials(f"the secret {name} does not exist", hint="Compare it with `gcloud secrets list`.")
    return Unavailable(f"Secret Manager answered {status} for {name}")
