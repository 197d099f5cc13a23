"""What can go wrong on the way to the Gemini API, in perkie's own errors. Mapped by class and status, never by text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import (
    MissingCredentials,
    PerkieError,
    UpstreamBroken,
    UpstreamFault,
    UpstreamOverloaded,
    UpstreamRefused,
    UpstreamTimeout,
    WrongCredentials,
)
from perkie_cli.domain.units import format_duration
from perkie_cli.engines.retry_after import retry_after

if TYPE_CHECKING:
    from datetime import datetime

    from google.genai.errors import APIError

# What the SDK raises over a 200 whose body is no JSON, or JSON of another shape (pydantic's error is a ValueError).
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)

KEY_HINT = "Set GEMINI_API_KEY (https://aistudio.google.com/apikey) or gemini.api_key, or use --engine local."
VERTEX_HINT = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."
_CREDENTIAL_REASONS = {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED", "SERVICE_DISABLED"}
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")


def fault(error: Exception, secret: str | None, now: datetime) -> tuple[PerkieError, bool]:
    """The error to raise, and whether the call may have been billed all the same.

    ``secret`` is cut out of whatever the API says: its refusals repeat the key. For the same reason the SDK's error
    must not become the cause or context of ours.
    """
    import httpx2
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
    from google.genai.errors import APIError

    if isinstance(error, APIError):
        return _refusal(error, secret, now), False
    if isinstance(error, (httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ConnectError, httpx2.UnsupportedProtocol)):
        return UpstreamFault(f"no connection to gemini ({type(error).__name__})"), False
    if isinstance(error, httpx2.TimeoutException):
        return UpstreamTimeout("gemini stopped answering"), True
    if isinstance(error, httpx2.HTTPError):
        return UpstreamFault(f"the connection to gemini broke ({type(error).__name__})"), True
    if isinstance(error, DefaultCredentialsError):
        return MissingCredentials("no Google credentials for Vertex AI were found", hint=VERTEX_HINT), False
    if isinstance(error, TransportError):
        return UpstreamFault("no connection to Google's token service"), False
    if isinstance(error, GoogleAuthError):
        return WrongCredentials("Google refused the credentials for Vertex AI", hint=VERTEX_HINT), False
    if isinstance(error, UnicodeEncodeError):  # the key makes a header, and nothing else is text that may not fit
        return WrongCredentials("the key for the Gemini API holds characters that no key has", hint=KEY_HINT), False
    if isinstance(error, UNREADABLE):
        return UpstreamFault("gemini sent an answer that cannot be read"), True
    raise error


def _refusal(error: APIError, secret: str | None, now: datetime) -> PerkieError:
    status = f"{error.code} {error.status or ''}".strip()
    if error.code == 429:
        return _overloaded(status, _retry_after(error, now))
    if error.code in (401, 403) or not _CREDENTIAL_REASONS.isdisjoint(_reasons(error)):
        return WrongCredentials(f"gemini refused the key or account ({status})", hint=KEY_HINT)
    if error.code in (408, 504):
        return UpstreamTimeout(f"gemini ran out of time ({status})")
    if error.code == 500:
        return UpstreamBroken(f"gemini failed inside ({status})")
    if 400 <= error.code < 500:
        return UpstreamRefused(f"gemini refused the request ({status}): {_scrubbed(error.message, secret)}")
    return UpstreamFault(f"gemini is unavailable ({status})")


def _overloaded(status: str, retry_after: float | None) -> UpstreamOverloaded:
    when = f"in {format_duration(retry_after)}" if retry_after is not None else "later"
    return UpstreamOverloaded(
        f"gemini is over its quota ({status})", hint=f"Try again {when}.", retry_after=retry_after
    )


def _scrubbed(message: str | None, secret: str | None) -> str:
    text = " ".join((message or "no reason given").split())
    if secret:
        text = text.replace(secret, "****")
    return text[:200]


def _details(error: APIError) -> Iterator[Mapping[str, Any]]:
    """``error.details[]`` of the body, whatever its shape (https://google.aip.dev/193)."""
    body = error.details.get("error") if isinstance(error.details, dict) else None
    details = body.get("details") if isinstance(body, dict) else None
    yield from (each for each in details if isinstance(each, dict)) if isinstance(details, list) else ()


def _reasons(error: APIError) -> set[str]:
    return {str(each.get("reason")) for each in _details(error)}


def _retry_after(error: APIError, now: datetime) -> float | None:
    """Seconds from google.rpc.RetryInfo, else from the header."""
    for each in _details(error):
        if match := _SECONDS.fullmatch(str(each.get("retryDelay", ""))):
            return float(match[1])
    return retry_after(error.response.headers.get("retry-after"), now) if error.response is not None else None
