"""Which web pages may call: the shop's and the configured ones; a server without credentials only listens to its own
machine and the configured ones."""

from __future__ import annotations

import re
from collections.abc import Collection

from perkie_cli.auth.peer import is_loopback
from perkie_cli.domain.errors import Forbidden

_MYSHOPIFY = r"https://[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"
_THIS_MACHINE = r"https?://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::\d{0,5})?")  # RFC 9110 §7.2


def pattern(*, open_: bool) -> str:
    """The regular expression of origins that need no configuration; ``open_``: no credentials are required."""
    return _THIS_MACHINE if open_ else _MYSHOPIFY


def allowed(origin: str, listed: Collection[str], *, open_: bool = False) -> bool:
    """Whether pages of that origin may call and read the answers."""
    return origin in listed or re.fullmatch(pattern(open_=open_), origin) is not None


def check_page(origin: str | None, host: str | None, listed: Collection[str]) -> None:
    """Protects a server without credentials: a foreign web page must not spend its owner's money.

    ``origin`` is that of the calling page, ``host`` the Host header, which its own pages share.

    Raises: Forbidden.
    """
    own = host is not None and origin in (f"http://{host}", f"https://{host}")
    if origin is not None and not own and not allowed(origin, listed, open_=True):
        raise Forbidden(f"pages of {origin[:80]!r} may not call this server", hint="List it in http.origins.")


def check_host(host: str | None) -> None:
    """Protects a local server without credentials against DNS rebinding: a foreign name that leads to this machine.

    ``host`` is the Host header as it was sent.

    Raises: Forbidden.
    """
    match = _HOST.fullmatch(host or "")
    name = (match[1] or match[2]).lower() if match else ""
    if not is_loopback(name):
        raise Forbidden(
            f"{(host or '')[:80]!r} is not a name of this machine", hint="Call 127.0.0.1, or set http.auth."
        )
