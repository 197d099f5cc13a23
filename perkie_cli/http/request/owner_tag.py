"""A customer, session or address in the log: recognisable to whoever has the secret, and a name to nobody else."""

from __future__ import annotations

import hashlib
import hmac

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner

_DIGITS = 12


@frozen
class OwnerTags:
    """Tags by HMAC-SHA256 with a secret; docs/http.md says how to compute one."""

    secret: bytes

    def __call__(self, owner: Owner) -> str:
        """``customer:`` and 12 hex digits."""
        digest = hmac.digest(self.secret, f"log:{owner}".encode(), hashlib.sha256)
        return f"{owner.tier}:{digest.hex()[:_DIGITS]}"
