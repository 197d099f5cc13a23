"""Who makes a request: one owner each, validated so that no id can escape its folder."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum

from perkie_cli.domain.errors import InvalidIdentity
from perkie_cli.domain.frozen import frozen

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
RESERVED_SESSIONS = frozenset({"anonymous"})  # the folder for pictures without an owner


class Tier(StrEnum):
    """The identity tiers, strongest first."""

    CUSTOMER = "customer"
    SESSION = "session"
    IP = "ip"


@frozen
class Owner:
    """One identity: tier and id. Build it with ``customer``, ``session``, ``address`` or use ``ANONYMOUS``."""

    tier: Tier
    id: str

    @classmethod
    def customer(cls, value: str) -> Owner:
        """The customer of that id.

        Raises: InvalidIdentity.
        """
        return cls(Tier.CUSTOMER, _valid_id("customer", value))

    @classmethod
    def session(cls, value: str) -> Owner:
        """The session of that id. Raises: InvalidIdentity."""
        if value in RESERVED_SESSIONS:
            raise InvalidIdentity(f"session id {value!r} is reserved", hint="Use another session id.")
        return cls(Tier.SESSION, _valid_id("session", value))

    @classmethod
    def address(cls, value: str) -> Owner:
        """The owner for an IP address, in canonical form; IPv6 counts by /64, which one household shares.

        Raises: InvalidIdentity.
        """
        try:
            ip = ipaddress.ip_address(value)
        except ValueError as error:
            raise InvalidIdentity(f"{value[:60]!r} is not an IP address") from error
        if isinstance(ip, ipaddress.IPv6Address):
            if ip.ipv4_mapped is not None:
                return cls(Tier.IP, str(ip.ipv4_mapped))
            return cls(Tier.IP, str(ipaddress.ip_network((ip, 64), strict=False).network_address))
        return cls(Tier.IP, str(ip))

    @property
    def folder(self) -> str:
        """The owner's part of a storage path, without leading or trailing slash."""
        if self.tier is Tier.CUSTOMER:
            return f"customers/{self.id}"
        if self.tier is Tier.SESSION:
            return f"temp/{self.id}"
        return "temp/anonymous"

    def __str__(self) -> str:
        return f"{self.tier}:{self.id}"


ANONYMOUS = Owner(Tier.IP, "local")


def _valid_id(kind: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise InvalidIdentity(
            f"{kind} id {value[:60]!r} is not valid",
            hint="Use 1 to 128 letters, digits, '-' or '_'; begin with a letter or digit.",
        )
    return value
