"""Turns a request's headers and query into a ``Principal``, by the configured modes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from perkie_cli.auth import shopify
from perkie_cli.auth.api_keys import KeyRing, load_keys
from perkie_cli.auth.peer import is_loopback
from perkie_cli.auth.principal import LOOPBACK, Principal
from perkie_cli.auth.tokens import Tokens
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import InvalidSetting, NotAuthorised
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.secret import Secret

T = TypeVar("T")


@frozen
class Authenticator:
    """Checks credentials. A part is None when its mode is off."""

    open: bool
    keys: KeyRing | None
    tokens: Tokens | None
    proxy_secret: Secret | None
    shops: frozenset[str]

    def caller(self, headers: Mapping[str, str], now: datetime) -> Principal:
        """The caller who sent these headers (``X-API-Key``, or ``Authorization: Bearer`` with a key or token).

        Raises: NotAuthorised.
        """
        if self.open:
            return LOOPBACK
        presented = _presented(headers)
        if self.tokens is not None and presented.count(".") == 2:
            return self.tokens.authenticate(presented, now)
        if self.keys is not None:
            return self.keys.authenticate(presented, now)
        raise NotAuthorised("the token is not valid")

    def proxied(self, query: str, now: datetime) -> shopify.ProxyCall:
        """The caller named by a query that Shopify signed.

        Raises: NotAuthorised.
        """
        if self.proxy_secret is None:
            raise NotAuthorised("this server is not behind a Shopify proxy")
        return shopify.verify(query, self.proxy_secret, self.shops, now)


def _presented(headers: Mapping[str, str]) -> str:
    if key := headers.get("x-api-key", "").strip():
        return key
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not value.strip():
        raise NotAuthorised("no credentials were sent", hint="Send X-API-Key, or Authorization: Bearer.")
    return value.strip()


def build_authenticator(settings: HttpSettings) -> Authenticator:
    """Builds the authenticator for the modes of ``http.auth``.

    Raises: InvalidSetting when a mode has no secret, or ``none`` is set for a server that others can reach.
    """
    modes = frozenset(settings.auth)
    if "none" in modes:
        _check_open(settings, modes)
    proxied = _needed(settings.shopify_secret, "shopify_secret", "shopify-proxy") if "shopify-proxy" in modes else None
    return Authenticator(
        open="none" in modes,
        keys=load_keys(_needed(settings.api_keys, "api_keys", "api-key")) if "api-key" in modes else None,
        tokens=Tokens(_needed(settings.jwt_secret, "jwt_secret", "jwt")) if modes & {"jwt", "shopify-proxy"} else None,
        proxy_secret=proxied,
        shops=frozenset(settings.shops),
    )


def _check_open(settings: HttpSettings, modes: frozenset[str]) -> None:
    if modes != {"none"}:
        raise InvalidSetting("http.auth = none cannot be combined with other modes")
    if not is_loopback(settings.host) and not settings.allow_open:
        raise InvalidSetting(
            f"http.auth = none on {settings.host} would let anyone spend your money",
            hint="Set http.auth to api-key, jwt or shopify-proxy, listen on 127.0.0.1, or set http.allow_open = true.",
        )


def _needed(value: T | None, name: str, mode: str) -> T:
    if value is None:
        raise InvalidSetting(f"http.auth = {mode} needs http.{name}", hint=f"Set it, or PERKIE_HTTP_{name.upper()}.")
    return value
