"""Which web pages may call: the shop's, the configured ones, and for an open local server those of this machine."""

from __future__ import annotations

import re
from collections.abc import Collection

from perkie_cli.auth.peer import is_loopback
from perkie_cli.domain.errors import Forbidden

_MYSHOPIFY = r"https://[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"
_THIS_MACHINE = r"https?://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?"


def pattern(*, local: bool) -> str:
    """The regular expression of origins that need no configuration; ``local``: also those of this machine."""
    return f"(?:{_MYSHOPIFY}|{_THIS_MACHINE})" if local else _MYSHOPIFY


def allowed(origin: str, listed: Collection[str], *, local: bool = False) -> bool:
    """Whether pages of that origin may call and read the answers."""
    return origin in listed or re.fullmatch(pattern(local=local), origin) is not None


def check_local(host: str | None, origin: str | None, listed: Collection[str]) -> None:
    """Protects a server without credentials: a foreign web page must not spend the developer's money.

    ``host`` is the host name of the request (a foreign one means DNS rebinding), ``origin`` that of the calling page.

    Raises: Forbidden.
    """
    if not is_loopback(host or ""):
        raise Forbidden(
            f"{(host or '')[:80]!r} is not a name of this machine", hint="Call 127.0.0.1, or set http.auth."
        )
    if origin is not None and not allowed(origin, listed, local=True):
        raise Forbidden(f"pages of {origin[:80]!r} may not call this server", hint="List it in http.origins.")
