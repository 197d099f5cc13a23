"""Translates failures of calls to the Gemini API into perkie's errors, by class, status and reason."""

from __future__ import annotations

import ssl
import traceback
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import (
    BadAnswer,
    MissingCredentials,
    PerkieError,
    UnexpectedAnswer,
    UpstreamFault,
    UpstreamTimeout,
    WrongCredentials,
)
from perkie_cli.engines.bounded import AnswerTooLarge
from perkie_cli.engines.gemini.refusals import PROXY_HINT, VERTEX_HINT, refusal

if TYPE_CHECKING:
    from datetime import datetime

    import httpx2

    from perkie_cli.engines.gemini.sentences import Scrubber

# Raised for a 200 whose body is not JSON or has another structure.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
_TLS_HINT = "If your proxy or firewall uses its own certificate, set SSL_CERT_FILE to its file."
_PROXY_HINT = "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."


def fault(error: Exception, scrubbed: Scrubber, now: datetime, *, vertex: bool = False) -> tuple[PerkieError, bool]:
    """The error to raise, and whether the call may still have been billed.

    ``scrubbed`` removes the key from the API's messages. For the same reason the SDK's error must not become the cause
    or context of ours.
    """
    import httpx2
    from google.auth.exceptions import GoogleAuthError
    from google.genai.errors import APIError

    if isinstance(error, APIError):
        return refusal(error, scrubbed, now, vertex=vertex), False
    if isinstance(error, httpx2.HTTPError):
        return _broken(error, scrubbed)
    if isinstance(error, GoogleAuthError):
        return _unauthorised(error), False
    if isinstance(error, AnswerTooLarge):
        return BadAnswer(f"gemini's answer is not read: {error}"), True
    if isinstance(error, UNREADABLE):
        return UpstreamFault("gemini sent an answer that cannot be read"), True
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {frames[-1].name} in line {frames[-1].lineno}" if frames else ""
    return UnexpectedAnswer(f"the call to gemini failed in an unforeseen way ({type(error).__name__}{where})"), True


def _broken(error: httpx2.HTTPError, scrubbed: Scrubber) -> tuple[PerkieError, bool]:
    import httpx2

    what = f"({type(error).__name__}{scrubbed(error)})"
    where = _address(error)
    if isinstance(error, httpx2.ProxyError) and str(error).startswith("407"):  # nothing else holds the status
        return WrongCredentials(f"the proxy on the way to gemini wants a password {what}", hint=PROXY_HINT), False
    if isinstance(error, httpx2.ProxyError):
        return UpstreamFault(f"the proxy on the way to gemini refused {what}", hint=_PROXY_HINT), False
    if isinstance(error, (httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ConnectError, httpx2.UnsupportedProtocol)):
        hint = _TLS_HINT if _is_tls(error) else None
        return UpstreamFault(f"no connection to gemini{where} {what}", hint=hint), False
    if isinstance(error, httpx2.TimeoutException):
        return UpstreamTimeout("gemini stopped answering"), True
    return UpstreamFault(f"the connection to gemini{where} broke {what}"), True


def _address(error: httpx2.HTTPError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # the error has no request
        return ""
    return f" at {url.host}:{url.port}" if url.port is not None else f" at {url.host}"


def _is_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _unauthorised(error: Exception) -> PerkieError:
    from google.auth.exceptions import DefaultCredentialsError, TransportError

    if isinstance(error, DefaultCredentialsError):
        return MissingCredentials("no Google credentials for Vertex AI were found", hint=VERTEX_HINT)
    if isinstance(error, TransportError):
        return UpstreamFault("no connection to Google's token service")
    return WrongCredentials("Google refused the credentials for Vertex AI", hint=VERTEX_HINT)
