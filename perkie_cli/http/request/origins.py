"""Which web pages may call: the shop's, those that are listed, and for an open local server those of this machine."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from perkie_cli.auth.peer import is_loopback
from perkie_cli.domain.errors import Forbidden

MYSHOPIFY = r"https://[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"  # matched against the whole origin


def allowed(origin: str, listed: Collection[str]) -> bool:
    """Whether CORS lets pages of that origin read answers."""
    return origin in listed or re.fullmatch(MYSHOPIFY, origin) is not None


def check_local(host: str | None, origin: str | None, listed: Collection[str]) -> None:
    """For a server that asks for no credentials: a page from elsewhere must not spend the developer's money.

    ``host`` is the name that the client called (a foreign one means DNS rebinding), ``origin`` the calling page's.

    Raises: Forbidden.
    """
    if not is_loopback(host or ""):
        raise Forbidden(f"{(host or '')[:80]!r} is no name of this machine", hint="Call 127.0.0.1, or set http.auth.")
    if origin is not None and not allowed(origin, listed) and not is_loopback(_hostname(origin)):
        raise Forbidden(f"pages of {origin[:80]!r} may not call this server", hint="List it in http.origins.")


def _hostname(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
