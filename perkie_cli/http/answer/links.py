"""Image links that expire, for stores that cannot sign their own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime

_MAC_BYTES = 20


class LinkSigner:
    """Turns a storage key and an expiry into a token that cannot be forged."""

    def __init__(self, secret: bytes) -> None:
        # Derived, so that a link's signature is not valid for other uses of the same secret.
        self._key = hmac.digest(secret, b"perkie image links", hashlib.sha256)

    def sign(self, key: str, expires_at: datetime) -> str:
        """A URL-safe token for the object ``key``."""
        payload = f"{int(expires_at.timestamp()):x}:{key}".encode()
        return base64.urlsafe_b64encode(self._mac(payload) + payload).rstrip(b"=").decode()

    def open(self, token: str, now: datetime) -> tuple[str, datetime] | None:
        """The storage key and the expiry; None for a token that is forged, damaged or expired."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            return None
        stamp, _, key = payload.decode().partition(":")
        expires_at = datetime.fromtimestamp(int(stamp, 16), UTC)
        return (key, expires_at) if now < expires_at else None

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)[:_MAC_BYTES]
