"""Translates the API's error bodies (https://google.aip.dev/193) to perkie's errors, with Google's text and a hint.

They are distinguished by status and the reasons in the details; by words only if nothing else shows the difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.days import PACIFIC, next_midnight
from perkie_cli.domain.errors import (
    ModelGone,
    PerkieError,
    UpstreamBroken,
    UpstreamExhausted,
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

    from perkie_cli.engines.gemini.sentences import Scrubber

KEY_HINT = "Set GEMINI_API_KEY (https://aistudio.google.com/apikey) or gemini.api_key."
_NEW_KEY_HINT = "Check the key (gemini.api_key, GEMINI_API_KEY) and its project, or create a new one: https://aistudio.google.com/apikey."
VERTEX_HINT = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."
_VERTEX_ROLE_HINT = "The account needs roles/aiplatform.user in the project, and the Vertex AI API must be enabled."
_VERTEX_KEY_HINT = (
    "Vertex AI needs its own keys (express mode); for a key of Google AI Studio unset GOOGLE_GENAI_USE_VERTEXAI."
)
_PLAN_HINT = "Check the plan and billing of the key's project: https://aistudio.google.com/usage."
_LOCATION_HINT = "Not every country and plan has it: https://ai.google.dev/gemini-api/docs/available-regions."
PROXY_HINT = "Set user name and password in HTTPS_PROXY or HTTP_PROXY."

_CREDENTIAL_REASONS = {"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_EXPIRED", "SERVICE_DISABLED"}
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
# Of FAILED_PRECONDITION: what holds for the whole account. Other preconditions concern one request.
_NOT_SERVED = re.compile(r"\blocation is not supported\b|\bin your (country|region)\b|\bbill(ed|ing)\b", re.IGNORECASE)
_A_DAY = re.compile(r"per ?day", re.IGNORECASE)
# A quota of zero often lacks ``quotaValue``, and used-up prepaid credit has no details at all.
_NOTHING = re.compile(r"\blimit: 0\b(?![.\d])|\bcredits?\b.{0,40}\b(depleted|exhausted|used up)\b", re.IGNORECASE)


def refusal(error: APIError, scrubbed: Scrubber, now: datetime, *, vertex: bool) -> PerkieError:
    """The error for an answer with an error body."""
    status, said = f"{error.code} {error.status or ''}".strip()[:60], scrubbed(error.message)
    if error.code == 429:
        return _over_quota(error, f"({status}){said}", now)
    if error.code in (401, 402, 403) or not _CREDENTIAL_REASONS.isdisjoint(_reasons(error)):
        return WrongCredentials(f"gemini refused the key or account ({status}){said}", hint=_advice(error, vertex))
    if error.status == "FAILED_PRECONDITION" and _NOT_SERVED.search(said):
        return WrongCredentials(f"gemini does not serve this account ({status}){said}", hint=_LOCATION_HINT)
    if error.code in (408, 504):
        return UpstreamTimeout(f"gemini ran out of time ({status}){said}")
    if error.code == 500:
        return UpstreamBroken(f"gemini had an internal error ({status}){said}")
    if error.code == 407:
        return WrongCredentials(f"the proxy on the way to gemini wants a password ({status}){said}", hint=PROXY_HINT)
    if error.code == 404:
        hint = "`perkie models check` shows which models are offered."
        return ModelGone(f"gemini has nothing under this model or address ({status}){said}", hint=hint)
    if 400 <= error.code < 500:
        return UpstreamRefused(f"gemini refused the request ({status}){said}")
    return UpstreamFault(f"gemini is unavailable ({status}){said}")


def _over_quota(error: APIError, message: str, now: datetime) -> PerkieError:
    """The error for a quota that refills within a minute, one that is used up for the day, or one of zero."""
    quotas = list(_quotas(error))
    if any(value == "0" for _, value in quotas) or _NOTHING.search(message):
        return WrongCredentials(f"gemini gives this account no quota {message}", hint=_PLAN_HINT)
    wait = _retry_after(error, now)
    if any(_A_DAY.search(name) for name, _ in quotas):
        midnight = next_midnight(now, PACIFIC)
        wait = (midnight - now).total_seconds()
        return UpstreamExhausted(
            f"gemini's quota of the day is used up until {midnight:%H:%M} UTC, midnight in California {message}",
            hint=f"Try again in {format_duration(wait)}.",
            retry_after=wait,
        )
    when = f"in {format_duration(wait)}" if wait is not None else "later"
    return UpstreamOverloaded(f"gemini is over its quota {message}", hint=f"Try again {when}.", retry_after=wait)


def _quotas(error: APIError) -> Iterator[tuple[str, str]]:
    """Name and value of each exceeded quota, in the formats of the Gemini API and older APIs."""
    for each in _details(error):
        violations = each.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                yield str(violation.get("quotaId")), str(violation.get("quotaValue"))
        if isinstance(metadata := each.get("metadata"), dict):
            yield str(metadata.get("quota_limit")), str(metadata.get("quota_limit_value"))


def _advice(error: APIError, vertex: bool) -> str:
    if "SERVICE_DISABLED" in _reasons(error):
        link = next(_links(error), None)
        return f"Enable the API{f': {link}' if link else ' in the project of the key'}; this takes a few minutes."
    if "CREDENTIALS_MISSING" in _reasons(error) and vertex:
        return _VERTEX_KEY_HINT
    if vertex:
        return VERTEX_HINT if error.code == 401 else _VERTEX_ROLE_HINT
    return _NEW_KEY_HINT


def _links(error: APIError) -> Iterator[str]:
    """Links to the console in the details."""
    for each in _details(error):
        metadata, links = each.get("metadata"), each.get("links")
        rows = [metadata] if isinstance(metadata, dict) else links if isinstance(links, list) else []
        found = (row.get("activationUrl") or row.get("url") for row in rows if isinstance(row, dict))
        yield from (link for link in found if isinstance(link, str) and link.startswith("https://console."))


def _details(error: APIError) -> Iterator[Mapping[str, Any]]:
    """``error.details[]`` of the body, in whatever form it comes."""
    body = error.details.get("error") if isinstance(error.details, dict) else None
    details = body.get("details") if isinstance(body, dict) else None
    yield from (each for each in details if isinstance(each, dict)) if isinstance(details, list) else ()


def _reasons(error: APIError) -> set[str]:
    return {str(each.get("reason")) for each in _details(error)}


def _retry_after(error: APIError, now: datetime) -> float | None:
    """Seconds to wait, from google.rpc.RetryInfo, else from the header."""
    for each in _details(error):
        if match := _SECONDS.fullmatch(str(each.get("retryDelay", ""))):
            return float(match[1])
    return retry_after(error.response.headers.get("retry-after"), now) if error.response is not None else None
