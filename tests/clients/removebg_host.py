"""``api.remove.bg`` as its published clients reach it: through an HTTPS proxy that ends TLS and passes on to perkie.

The clients have the host's name and TLS built in. They honour ``HTTPS_PROXY`` and the usual variables for certificate
authorities, so they run unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "api.remove.bg"


def certificate(folder: Path) -> Path:
    """A file with a certificate for ``HOST`` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    target = folder / "removebg.pem"
    target.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return target


class _Proxy:
    def __init__(self, backend: str, pem: Path) -> None:
        parts = urlsplit(backend)
        self._backend = parts.hostname or "", parts.port or 80
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pem)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: CONNECT, TLS, then bytes both ways."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(f"CONNECT {HOST}:443 ".encode()), head
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self._tls)
            to_us, from_us = await asyncio.open_connection(*self._backend)
            await asyncio.gather(_pass_on(reader, from_us), _pass_on(to_us, writer))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.close()


@contextlib.contextmanager
def removebg_host(backend: str, folder: Path) -> Iterator[dict[str, str]]:
    """Variables for the environment of a client, whose calls to ``HOST`` then go to ``backend``."""
    pem = certificate(folder)
    proxy, loop = _Proxy(backend, pem), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port = server.sockets[0].getsockname()[1]
    try:
        yield {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "GLOBAL_AGENT_HTTP_PROXY"), f"http://127.0.0.1:{port}"),
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(pem)),
        }
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
