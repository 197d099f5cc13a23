"""Checks signed URLs, V4 and V2, with the signers' public keys.

https://docs.cloud.google.com/storage/docs/authentication/canonical-requests and /signed-urls-v2
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile
from perkie_cli.domain.units import why_unread
from perkie_cli.emulators.http_server import Request
from perkie_cli.emulators.storage.errors import ApiError, not_emulated

ALGORITHM = "GOOG4-RSA-SHA256"
LONGEST = timedelta(days=7)
ANYBODY = "*"  # a key that is valid for any signer
_WRONG = "The request signature we calculated does not match the signature you provided."


def is_signed(request: Request) -> bool:
    """Whether the request claims to be signed."""
    return "X-Goog-Signature" in request.query or "GoogleAccessId" in request.query


def check_signature(request: Request, keys: Mapping[str, bytes], now: datetime) -> None:
    """``keys``: public keys (PEM) by the signers' e-mail; the one of ``*`` is valid for any signer.

    Raises: ApiError 400 when expired or malformed, 403 when the signature is not by a known key over this request.
    """
    version = _version_4 if "X-Goog-Signature" in request.query else _version_2
    signer, signature, texts = version(request, now)
    key = keys.get(signer) or keys.get(ANYBODY)
    if key is None:
        raise ApiError(403, f"{_WRONG} The emulator has no key of {signer}: give it one with --signing-key.")
    if not any(_verifies(key, signature, text) for text in texts):
        raise ApiError(403, _WRONG)


def load_key(path: Path) -> tuple[str, bytes]:
    """Who signs (``*``: anybody) and the public key (PEM) from a service account's JSON key or a PEM file.

    PEM may hold a private or public RSA key, or a certificate. Raises: UnreadableFile, InvalidParameter.
    """
    try:
        data = path.read_bytes()
        account = json.loads(data) if data.lstrip().startswith(b"{") else None
        pem = data if account is None else account["private_key"].encode()
        return (ANYBODY if account is None else account["client_email"]), _public(pem)
    except OSError as error:
        raise UnreadableFile(f"signing key {path} cannot be read: {why_unread(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "A service account's JSON key, or PEM: an RSA key (private or public) or a certificate."
        raise InvalidParameter(f"signing key {path} is not a key ({type(error).__name__})", hint=hint) from error


def _public(pem: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key: Any
    if b"CERTIFICATE" in pem:
        key = x509.load_pem_x509_certificate(pem).public_key()
    elif b"PUBLIC KEY" in pem:
        key = serialization.load_pem_public_key(pem)
    else:
        key = serialization.load_pem_private_key(pem, None).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError(key)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _version_4(request: Request, now: datetime) -> tuple[str, bytes, list[str]]:
    """Signer, signature and what may have been signed: Node's client leaves the port out of the host."""
    query = request.query
    if query.get("X-Goog-Algorithm") != ALGORITHM:
        raise not_emulated(f"Signing with {query.get('X-Goog-Algorithm')}")
    try:
        signer, scope = query["X-Goog-Credential"].split("/", 1)
        begun = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = timedelta(seconds=int(query["X-Goog-Expires"]))
        signature = bytes.fromhex(query["X-Goog-Signature"])
        host = request.headers.get("host", "")
        hashes = [_canonical_hash(request, {**request.headers, "host": each}) for each in (host, _without_port(host))]
        texts = ["\n".join([ALGORITHM, query["X-Goog-Date"], scope, each]) for each in hashes]
    except (KeyError, ValueError) as error:
        raise ApiError(400, f"Invalid signed URL: {error}") from error
    if lifetime > LONGEST or now > begun + lifetime:
        raise ApiError(400, "The signed URL has expired, or is valid for more than 7 days.")
    return signer, signature, texts


def _version_2(request: Request, now: datetime) -> tuple[str, bytes, list[str]]:
    """Signer, signature and what was signed."""
    query, headers = request.query, request.headers
    try:
        expires = datetime.fromtimestamp(int(query["Expires"]), UTC)
        signature = base64.b64decode(query["Signature"], validate=True)
    except (KeyError, ValueError, OverflowError) as error:
        raise ApiError(400, f"Invalid signed URL: {error}") from error
    if now > expires:
        raise ApiError(400, "The signed URL has expired.")
    extensions = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-goog-"))
    facts = (request.method, headers.get("content-md5", ""), headers.get("content-type", ""), query["Expires"])
    return query["GoogleAccessId"], signature, ["\n".join(facts) + "\n" + extensions + request.raw_path]


def _without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host)


def _canonical_hash(request: Request, given: Mapping[str, str]) -> str:
    names = request.query["X-Goog-SignedHeaders"].split(";")
    headers = "".join(f"{name}:{' '.join(given[name].split())}\n" for name in names)
    query = "&".join(
        f"{_quoted(name)}={_quoted(value)}"
        for name, value in sorted(request.query.items())
        if name != "X-Goog-Signature"
    )
    payload = given.get("x-goog-content-sha256", "UNSIGNED-PAYLOAD")
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
