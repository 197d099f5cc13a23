"""The address by which clients reach this server, for the links in answers."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from perkie_cli.domain.errors import InvalidSetting

log = logging.getLogger("perkie.http")
_HOST = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+){1,8}")
_PORT = re.compile(r"[0-9]{1,5}")
_FORWARDED = ("x-forwarded-host", "x-forwarded-proto", "x-forwarded-for")
_USUAL_PORTS = {"http": "80", "https": "443"}


def check_public_url(url: str | None) -> str | None:
    """The address without a slash at its end.

    Raises: InvalidSetting.
    """
    if url is None:
        return None
    parts = urlsplit(url)
    netloc_only = not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in _USUAL_PORTS or not _HOST.fullmatch(parts.netloc) or not netloc_only:
        raise InvalidSetting(
            f"http.public_url is not a base address: {url[:100]!r}", hint="Such as https://shop.example/perkie."
        )
    return url.rstrip("/")


class PublicAddress:
    """``http.public_url``, or the address that the client called, as the ``hops`` trusted proxies tell it.

    Each difference that makes links dead is logged once.
    """

    def __init__(self, public_url: str | None, hops: int) -> None:
        self._public = check_public_url(public_url)
        self._hops = hops
        self._told = False

    def of(self, request: HTTPConnection, *, behind_shop: bool) -> str:
        """The base address for links. ``behind_shop``: the outer proxy is Shopify's, whose name is not ours."""
        called = self._called(request, behind_shop)
        if self._public is None:
            self._check_unread(request, called)
            return called
        if not behind_shop and urlsplit(called).netloc != urlsplit(self._public).netloc:
            self._tell(f"requests arrive at {called}, but links lead to http.public_url = {self._public}")
        return self._public

    def _called(self, request: HTTPConnection, behind_shop: bool) -> str:
        proto = self._forwarded(request, "proto")
        scheme = proto if proto in _USUAL_PORTS else request.scope["scheme"].replace("ws", "http")
        if behind_shop:
            return f"{scheme}://{_sent_host(request)}"
        prefix = self._forwarded(request, "prefix").rstrip("/")
        path = prefix if _PREFIX.fullmatch(prefix) else ""
        return f"{scheme}://{self._host(request, scheme)}{path}"

    def _host(self, request: HTTPConnection, scheme: str) -> str:
        if self._hops < 1:
            return _sent_host(request)
        host = _HOST.fullmatch(self._forwarded(request, "host")) or _HOST.fullmatch(_sent_host(request))
        if host is None:
            return _sent_host(request)
        port = self._forwarded(request, "port")
        if host["port"] is None and _PORT.fullmatch(port) and port != _USUAL_PORTS[scheme]:
            return f"{host[0]}:{port}"
        return host[0]

    def _forwarded(self, request: HTTPConnection, name: str) -> str:
        """``X-Forwarded-NAME`` as the outermost trusted proxy set it: entries to the left of theirs can be forged."""
        if self._hops < 1:
            return ""
        given = ",".join(request.headers.getlist(f"x-forwarded-{name}"))
        entries = [entry.strip() for entry in given.split(",") if entry.strip()]
        return entries[-min(self._hops, len(entries))] if entries else ""

    def _check_unread(self, request: HTTPConnection, called: str) -> None:
        if self._hops > 0 or self._told:
            return
        given = [f"{name}: {request.headers[name][:80]!r}" for name in _FORWARDED if name in request.headers]
        if given:
            self._tell(
                f"a proxy sends {', '.join(given)}, but http.trusted_hops is 0: links lead to {called}, and all of its "
                "visitors count as one address"
            )

    def _tell(self, what: str) -> None:
        if not self._told:
            self._told = True
            log.warning("%s (set http.trusted_hops, and http.public_url to what clients call)", what)


def _sent_host(request: HTTPConnection) -> str:
    """The Host header; without one (HTTP/1.0) the address that the connection was made to."""
    if sent := request.headers.get("host"):
        return sent
    name, port = request.scope.get("server") or ("127.0.0.1", None)
    return name if port is None else f"{name}:{port}"
