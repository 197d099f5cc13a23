"""TLS for emulators: the user's certificate, or a temporary one. gsutil, for example, only uses https."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile, UsageError
from perkie_cli.domain.units import why_unread

if TYPE_CHECKING:
    from cryptography import x509

VALID = timedelta(days=30)


@contextmanager
def tls_for(
    host: str, certificate: Path | None, key: Path | None, *, make: bool
) -> Iterator[tuple[ssl.SSLContext | None, Path | None]]:
    """The TLS context, and the temporary certificate made for it, if any.

    Raises: UsageError, UnreadableFile, InvalidParameter.
    """
    if certificate is None and key is not None:
        raise UsageError("--tls-key needs --tls-cert")
    if certificate is not None:
        yield load_certificate(certificate, key), None
    elif make:
        with tempfile.TemporaryDirectory(prefix="perkie-") as folder:
            made = make_certificate(host, Path(folder))
            yield load_certificate(made), made
    else:
        yield None, None


def load_certificate(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """Loads PEM files; without ``key`` the private key is in the certificate's file.

    Raises: UnreadableFile, InvalidParameter.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        hint = "PEM: a certificate and the unencrypted private key that belongs to it."
        raise InvalidParameter(f"{certificate} is not a certificate with its key", hint=hint) from error
    except OSError as error:
        raise UnreadableFile(f"{certificate} or its key cannot be read: {why_unread(error)}") from error
    return context


def make_certificate(host: str, folder: Path) -> Path:
    """A self-signed certificate for ``host`` and this machine, with its key, as a PEM file in ``folder``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "perkie emulator")])
    now = datetime.now(UTC)  # clients use the real time
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + VALID)
    names = [_general_name(each) for each in dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    target = folder / "emulator.pem"
    target.touch(mode=0o600)
    target.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return target


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
