"""Short-lived JSON web tokens (RFC 7519, HS256) for the shop's widget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from perkie_cli.auth.principal import CUSTOMER, Principal
from perkie_cli.domain.errors import InvalidIdentity, InvalidSetting, NotAuthorised
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.people.proof import Credential, Proof
from perkie_cli.domain.secret import Secret

LIFETIME = timedelta(hours=1)
AUDIENCE = "perkie"
_SKEW = timedelta(seconds=60)
_LEAST_SECRET = 32  # bytes, RFC 7518 §3.2


@frozen
class Minted:
    """A token and its expiry."""

    token: str
    expires_at: datetime


class Tokens:
    """Issues and checks tokens. ``customer`` is the customer id that the holder may act as, or None."""

    def __init__(self, secret: Secret) -> None:
        if len(secret.reveal().encode()) < _LEAST_SECRET:
            raise InvalidSetting(f"http.jwt_secret has fewer than {_LEAST_SECRET} bytes", hint="`openssl rand -hex 32`")
        self._secret = secret

    def mint(self, customer: str | None, shop: str, now: datetime) -> Minted:
        """Issues a token for a visitor whose identity the shop signed."""
        import jwt  # imports cryptography, a large part of a cold start; most servers never need it

        expires = now + LIFETIME
        claims: dict[str, Any] = {"aud": AUDIENCE, "iat": now, "exp": expires, "shop": shop}
        if customer:
            claims["sub"] = customer
        return Minted(jwt.encode(claims, self._secret.reveal(), algorithm="HS256"), expires.replace(microsecond=0))

    def authenticate(self, token: str, now: datetime) -> Principal:
        """The caller that holds this token.

        Raises: NotAuthorised for one that is forged, damaged, expired, not yet valid, or valid for too long.
        """
        claims = self._claims(token)
        issued, expires = _moment(claims["iat"]), _moment(claims["exp"])
        begins = max(issued, _moment(claims.get("nbf", claims["iat"])))
        if now >= expires:
            raise NotAuthorised("the token has expired", hint="Ask the shop for a new one.")
        if begins > now + _SKEW:
            raise NotAuthorised("the token is not valid yet", hint="Compare the clocks of its issuer and this server.")
        if expires - issued > LIFETIME:
            raise NotAuthorised(
                "the token is valid for too long", hint=f"Set exp to {LIFETIME.seconds} s after iat at most."
            )
        customer = claims.get("sub")
        scopes = claims.get("scope")
        granted = frozenset(str(scopes).split()) & CUSTOMER if scopes is not None else CUSTOMER
        name = f"customer {customer}" if customer else f"visitor of {claims.get('shop', 'a shop')}"
        return Principal(name, Credential(Proof.JWT, _valid_customer(customer), granted))

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        # Times are checked with the injected clock, not the library's.
        options: Any = {"require": ["exp", "iat"], "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            return jwt.decode(token, self._secret.reveal(), algorithms=["HS256"], audience=AUDIENCE, options=options)
        except jwt.PyJWTError as error:
            raise NotAuthorised("the token is not valid") from error


def _moment(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotAuthorised("a time in the token is not a number of seconds", hint="RFC 7519: NumericDate.") from error


def _valid_customer(value: object) -> str | None:
    if value is None:
        return None
    try:
        return Owner.customer(str(value)).id
    except InvalidIdentity as error:
        raise NotAuthorised("the token's subject is not a customer id") from error
