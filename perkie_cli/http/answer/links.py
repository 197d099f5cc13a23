"""Image links that expire. A link is encrypted: who shares a picture does not share the customer's or session's id."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


class LinkSigner:
    """Turns a storage key and an expiry into a token that cannot be read or forged.

    AES-SIV (RFC 5297) needs no nonce, so tokens are short and equal for equal links. Servers with one secret read each
    other's.
    """

    def __init__(self, secret: bytes) -> None:
        # Derived, so that the key is of no use elsewhere; 64 bytes are AES-256 and its MAC.
        self._key = hmac.digest(secret, b"perkie image links, encrypted", hashlib.sha512)

    @cached_property
    def _cipher(self) -> AESSIV:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # a thirtieth of a second at a cold start

        return AESSIV(self._key)

    def sign(self, key: str, expires_at: datetime) -> str:
        """A URL-safe token for the object ``key``."""
        plain = f"{int(expires_at.timestamp()):x}:{key}".encode()
        return base64.urlsafe_b64encode(self._cipher.encrypt(plain, None)).rstrip(b"=").decode()

    def open(self, token: str, now: datetime) -> tuple[str, datetime] | None:
        """The storage key and the expiry; None for a token that is forged, damaged or expired."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed, None)
        except (ValueError, binascii.Error, InvalidTag):
            return None
        stamp, _, key = plain.decode().partition(":")
        expires_at = datetime.fromtimestamp(int(stamp, 16), UTC)
        return (key, expires_at) if now < expires_at else None
