"""The HTTP clients under the SDK: our timeouts, the environment's proxies and certificates.

They are passed explicitly, because the SDK otherwise switches to aiohttp if that is installed, and retries by itself.
"""

from __future__ import annotations

import importlib.util
import os
import ssl
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import InvalidSetting, MissingExtra
from perkie_cli.engines.bounded import ENCODINGS, read_bounded

if TYPE_CHECKING:
    import httpx2

CONNECT, WRITE, POOL = 10.0, 10.0, 5.0  # seconds; reading is only limited by the guard, which cancels the call
MAX_CONNECTIONS = 1000
DOWNLOAD = ":download"  # of the Files API


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
        """Sets our timeouts on a request: the SDK switches all timeouts off."""
        request.extensions["timeout"] = phases
        request.headers["Accept-Encoding"] = ENCODINGS

    async def bounded(response: httpx2.Response) -> None:
        """A file is bounded where it is written."""
        if not response.request.url.path.endswith(DOWNLOAD):
            await read_bounded(response)

    hooks: dict[str, list[Callable[..., Any]]] = {"request": [set_phases], "response": [bounded]}
    try:
        return httpx2.AsyncClient(verify=tls, limits=limits, event_hooks=hooks), httpx2.Client(verify=tls)
    except (ValueError, httpx2.InvalidURL) as error:
        raise InvalidSetting("NO_PROXY contains an invalid host name", hint="Separate hosts by commas.") from error


def _tls() -> ssl.SSLContext:
    """The TLS context for both clients: loading certificates takes most of a client's creation time."""
    import httpx2

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        return httpx2.create_ssl_context()
    except OSError as error:  # includes ssl.SSLError
        raise InvalidSetting(
            f"SSL_CERT_FILE or SSL_CERT_DIR cannot be used ({error.strerror or error})",
            hint="Set them to certificates in PEM format, or leave both out.",
        ) from error


def _check_proxies() -> None:
    """Checks the proxies, found as in httpx2, whose own error would not name the variable."""
    proxies = urllib.request.getproxies()
    if "*" in proxies.get("no", "").split(","):
        return
    for kind in ("http", "https", "all"):
        if not (address := proxies.get(kind)):
            continue
        scheme = _scheme(address if "://" in address else f"http://{address}")
        if scheme is None:
            raise InvalidSetting(
                f"{kind.upper()}_PROXY is not a usable proxy address",  # without its value: it may contain a password
                hint="Use http://HOST:PORT or socks5://HOST:PORT.",
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
    if importlib.util.find_spec("socksio") is None:  # httpx2 needs it for SOCKS
        raise MissingExtra(
            f"{kind.upper()}_PROXY names a SOCKS proxy, which needs a package that is not installed: httpx2[socks]",
            hint="Run `pip install 'httpx2[socks]'`, or use an HTTP proxy.",
        )
