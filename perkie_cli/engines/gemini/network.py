"""The HTTP clients under the SDK: our timeouts, the environment's proxies and certificates.

Given explicitly, since the SDK otherwise switches to aiohttp where that is installed and retries by itself.
"""

from __future__ import annotations

import importlib.util
import os
import ssl
import urllib.request
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import InvalidSetting, MissingExtra

if TYPE_CHECKING:
    import httpx2

CONNECT, WRITE, POOL = 10.0, 10.0, 5.0  # seconds; reading has no limit but the guard's, which cancels the call
MAX_CONNECTIONS = 1000


def http_clients() -> tuple[httpx2.AsyncClient, httpx2.Client]:
    """With HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR in force, as in the SDK.

    Raises: InvalidSetting, MissingExtra.
    """
    import httpx2

    tls = _tls()
    _check_proxies()
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100)
    phases = httpx2.Timeout(None, connect=CONNECT, write=WRITE, pool=POOL).as_dict()

    async def set_phases(request: httpx2.Request) -> None:
        """The SDK sends every request with all timeouts switched off."""
        request.extensions["timeout"] = phases

    hooks = {"request": [set_phases]}
    try:
        return httpx2.AsyncClient(verify=tls, limits=limits, event_hooks=hooks), httpx2.Client(verify=tls)
    except (ValueError, httpx2.InvalidURL) as error:
        raise InvalidSetting("NO_PROXY holds what is no name of a host", hint="Separate hosts by commas.") from error


def _tls() -> ssl.SSLContext:
    """One for both clients: loading the certificates is most of a client's making."""
    import httpx2

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        return httpx2.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        raise InvalidSetting(
            f"SSL_CERT_FILE or SSL_CERT_DIR cannot be used ({error.strerror or error})",
            hint="Name a file of certificates in PEM form, or leave both out.",
        ) from error


def _check_proxies() -> None:
    """By the same look-up as httpx2's own, which would fail without naming the variable."""
    proxies = urllib.request.getproxies()
    if "*" in proxies.get("no", "").split(","):
        return
    for kind in ("http", "https", "all"):
        if not (address := proxies.get(kind)):
            continue
        scheme = _scheme(address if "://" in address else f"http://{address}")
        if scheme is None:
            raise InvalidSetting(
                f"{kind.upper()}_PROXY names no proxy that can be used",  # not what it says: it may hold a password
                hint="Write http://HOST:PORT, or socks5://HOST:PORT.",
            )
        if scheme.startswith("socks"):
            _need_socks(kind)


def _scheme(address: str) -> str | None:
    import httpx2

    try:
        url = httpx2.Proxy(address).url
    except (ValueError, httpx2.InvalidURL):
        return None
    return url.scheme if url.host and (url.port or 1) in range(1, 65536) else None


def _need_socks(kind: str) -> None:
    if importlib.util.find_spec("socksio") is None:  # what httpx2 speaks SOCKS with
        raise MissingExtra(
            f"{kind.upper()}_PROXY names a SOCKS proxy, which takes a package that is not installed: httpx2[socks]",
            hint="Run `pip install 'httpx2[socks]'`, or name an HTTP proxy.",
        )
