"""Who may act as which owner. HTTP checks credentials and peer addresses; this module decides what they prove.

A customer id needs proof: a Shopify proxy signature or a JWT that names it, an API key with the ``act-as`` scope, or
the loopback interface where no credentials are required. A session id is only a cookie: it is accepted without proof,
but all sessions of one address share a limit.
"""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.errors import Forbidden
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.quotas.limits import Charge, QuotaLimits

ACT_AS = "act-as"


class Proof(StrEnum):
    """How the caller proved its identity; ``LOOPBACK`` is a caller without credentials on the loopback interface."""

    LOOPBACK = "loopback"
    PROXY_SIGNATURE = "shopify-proxy"
    JWT = "jwt"
    API_KEY = "api-key"


@frozen
class Credential:
    """A verified credential: its kind, the customer it names (if any) and its scopes."""

    proof: Proof
    customer: str | None = None
    scopes: frozenset[str] = frozenset()

    def proves(self, customer: str) -> bool:
        """Whether the caller may act as that customer."""
        if self.proof is Proof.LOOPBACK:
            return True
        if self.proof is Proof.API_KEY:
            return ACT_AS in self.scopes
        return self.customer == customer


@frozen
class Requester:
    """A request's identity: the owner of its pictures, and the address that is also charged."""

    owner: Owner
    charge: Charge


def identify(
    credential: Credential,
    limits: QuotaLimits,
    *,
    address: str,
    customer: str | None = None,
    session: str | None = None,
) -> Requester:
    """The strongest proven identity: customer, else session, else ``address`` (the trusted peer address).

    ``customer`` and ``session`` are what the request claims; blank means none, as the shop's theme sends it.

    Raises: Forbidden for a customer id without proof, InvalidIdentity for a malformed id.
    """
    peer = Owner.address(address)
    visitor = Owner.session(session) if session else peer  # validated even when a customer id takes precedence
    owner = _customer(credential, customer) or visitor
    return Requester(owner, limits.charge(owner, peer))


def _customer(credential: Credential, claimed: str | None) -> Owner | None:
    if not claimed:
        return Owner.customer(credential.customer) if credential.customer else None
    owner = Owner.customer(claimed)
    if not credential.proves(claimed):
        raise Forbidden(
            "the customer id was claimed, not proven",
            hint="Come through the shop's signed proxy, with its token, or with an API key that may act for customers: "
            "perkie keys create NAME --scope generate --scope act-as",
        )
    return owner
