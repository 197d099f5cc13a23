"""Checks V4 signed URLs: https://docs.cloud.google.com/storage/docs/authentication/canonical-requests"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from perkie_cli.emulators.http_server import Request
from perkie_cli.emulators.storage.errors import ApiError

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST = timedelta(days=7)


def is_signed(request: Request) -> bool:
    """Whether the request claims to be signed."""
    return "X-Goog-Signature" in request.query


def check_signature(request: Request, keys: Mapping[str, bytes], now: datetime) -> None:
    """``keys``: public keys (PEM) by the signers' e-mail.

    Raises: ApiError 400 when expired or malformed, 403 when the signature is not by a known key over this request.
    """
    query = request.query
    try:
        signer, scope = query["X-Goog-Credential"].split("/", 1)
        begun = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = timedelta(seconds=int(query["X-Goog-Expires"]))
        signature = bytes.fromhex(query["X-Goog-Signature"])
        text = "\n".join([ALGORITHM, query["X-Goog-Date"], scope, _canonical_hash(request)])
    except (KeyError, ValueError) as error:
        raise ApiError(400, f"Invalid signed URL: {error}") from error
    if lifetime > LONGEST or now > begun + lifetime:
        raise ApiError(400, "The signed URL has expired, or is valid for more than 7 days.")
    if query.get("X-Goog-Algorithm") != ALGORITHM or signer not in keys or not _verifies(keys[signer], signature, text):
        raise ApiError(403, "The request signature we calculated does not match the signature you provided.")


def _canonical_hash(request: Request) -> str:
    names = request.query["X-Goog-SignedHeaders"].split(";")
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    query = "&".join(
        f"{_quoted(name)}={_quoted(value)}"
        for name, value in sorted(request.query.items())
        if name != "X-Goog-Signature"
    )
    payload = request.headers.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = "\n".join([request.method, request.raw_path, query, headers, ";".join(names), payload])
    return hashlib.sha256(canonical.encode()).hexdigest()


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _verifies(pem: bytes, signature: bytes, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
