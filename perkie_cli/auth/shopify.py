"""Requests that come through a Shopify app proxy.

Shopify appends ``shop``, ``logged_in_customer_id``, ``path_prefix``, ``timestamp`` and ``signature`` to the query
(https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies). The body is not signed, and a
signed URL can be replayed while its timestamp is recent: quotas and idempotency keys limit what a replay can do.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from datetime import datetime
from urllib.parse import parse_qsl

from perkie_cli.auth.principal import CUSTOMER, Principal
from perkie_cli.domain.errors import InvalidIdentity, NotAuthorised
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.people.proof import Credential, Proof
from perkie_cli.domain.secret import Secret

OWN_PARAMETERS = frozenset({"shop", "logged_in_customer_id", "path_prefix", "timestamp", "signature"})
MOST_AGE = 300.0  # seconds, either way


@frozen
class ProxyCall:
    """The facts that Shopify signed; ``customer`` is None for a visitor who is not logged in."""

    shop: str
    customer: str | None

    @property
    def principal(self) -> Principal:
        """The caller with a visitor's permissions."""
        name = f"customer {self.customer}" if self.customer else f"visitor of {self.shop}"
        return Principal(name, Credential(Proof.PROXY_SIGNATURE, self.customer, CUSTOMER))


def signature(parameters: list[tuple[str, str]], secret: Secret) -> str:
    """HMAC-SHA256 in hex over the sorted ``key=value`` pairs without separator; repeated keys joined by commas."""
    joined: dict[str, list[str]] = {}
    for key, value in parameters:
        if key != "signature":
            joined.setdefault(key, []).append(value)
    message = "".join(sorted(f"{key}={','.join(values)}" for key, values in joined.items()))
    return hmac.new(secret.reveal().encode(), message.encode(), hashlib.sha256).hexdigest()


def verify(query: str, secret: Secret, shops: Collection[str], now: datetime) -> ProxyCall:
    """The call behind a raw query string; ``shops`` are the allowed ``….myshopify.com`` domains, empty for any.

    Raises: NotAuthorised.
    """
    parameters = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    facts = _facts(parameters)
    if "signature" not in facts:
        raise NotAuthorised("the request carries no Shopify signature")
    try:
        genuine = hmac.compare_digest(facts["signature"].encode(), signature(parameters, secret).encode())
    except UnicodeEncodeError:  # not UTF-8: Shopify never signs such bytes
        genuine = False
    if not genuine:
        raise NotAuthorised("the Shopify signature is not valid")
    _check_age(facts.get("timestamp", ""), now)
    if shops and facts.get("shop") not in shops:
        raise NotAuthorised("the shop is not one of ours")
    return ProxyCall(facts.get("shop", ""), _customer(facts.get("logged_in_customer_id", "")))


def _facts(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Shopify's own parameters. It sends each once; a second one would come from the visitor.

    Raises: NotAuthorised.
    """
    own = [(key, value) for key, value in parameters if key in OWN_PARAMETERS]
    facts = dict(own)
    if len(facts) < len(own):
        raise NotAuthorised("one of Shopify's own parameters was sent twice")
    return facts


def _check_age(timestamp: str, now: datetime) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise NotAuthorised("the Shopify request has no timestamp")
    if abs(now.timestamp() - int(timestamp)) > MOST_AGE:
        raise NotAuthorised("the Shopify request is too old")


def _customer(value: str) -> str | None:
    if not value:
        return None
    try:
        return Owner.customer(value).id
    except InvalidIdentity as error:
        raise NotAuthorised("the Shopify customer id is not valid") from error
