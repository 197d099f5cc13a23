"""The way to Gemini: proxies and certificates of the environment, and what is wrong with them."""

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import CacheSettings, GeminiSettings, MattingSettings, Settings
from perkie_cli.domain import errors
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.client import Access
from perkie_cli.http.readiness import check_start, dependencies, outcome
from perkie_cli.imaging import codec
from tests.gemini_answers.build import GOOD, Row, parts
from tests.gemini_answers.server import answering
from tests.gemini_bench import KEY, bench, photo

OK = Row("ok", parts(GOOD), (0, 0, 0))
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing of the network."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Proxy:
    """Forwards plain requests and tunnels; ``lines`` are the first lines that it was sent."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        self.lines.append(f"{method} {target}")
        host, _, port = target.removeprefix("http://").partition("/")[0].partition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there_writer.write(head)
        await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))

    @staticmethod
    async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that signs itself for 127.0.0.1, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(encoding))
    return path


def tls_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, name: str
) -> None:
    async with answering() as server:
        server.rows = [OK]
        monkeypatch.setenv(name, proxy.url)
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as gemini:
            await gemini.draw()
        assert proxy.lines == [f"POST {server.url}/v1beta/models/gemini-nano-banana-2.1:generateContent"]


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "example.com, 127.0.0.1"])
async def test_no_proxy_keeps_hosts_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, exempt: str
) -> None:
    async with answering() as server:
        server.rows = [OK]
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as gemini:
            await gemini.draw()
        assert (proxy.lines, server.calls) == ([], 1)


async def test_tls_through_a_proxy_with_a_certificate_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    async with answering(tls_of(certificate)) as server:
        server.rows = [OK]
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as gemini:
            await gemini.draw()
        assert proxy.lines == [f"CONNECT {server.url.removeprefix('https://')}"]


async def test_an_unknown_certificate_names_the_setting(tmp_path: Path, certificate: Path) -> None:
    async with answering(tls_of(certificate)) as server:
        access = Access(Secret(KEY), server.url)
        async with bench(tmp_path, access=access) as gemini:
            with pytest.raises(errors.UpstreamFault, match=r"127\.0\.0\.1") as raised:
                await gemini.gemini.render(gemini.job())
            assert "SSL_CERT_FILE" in (raised.value.hint or "")
            assert await gemini.spent() == 0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[int]:
    """The port of a proxy by somebody else, which wants a password."""
    if shutil.which("tinyproxy") is None:
        pytest.skip("tinyproxy is not installed")
    port, config = free_port(), tmp_path / "tinyproxy.conf"
    config.write_text(f"Port {port}\nListen 127.0.0.1\nMaxClients 10\nBasicAuth user secret\n")
    with subprocess.Popen(["tinyproxy", "-d", "-c", config], stdout=subprocess.DEVNULL) as running:
        while True:
            with socket.socket() as trying:
                if not trying.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.02)
        yield port
        running.terminate()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("user", ["user:secret@", ""], ids=["known", "unknown"])
async def test_somebody_elses_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: Path, tinyproxy: int, tls: bool, user: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("ALL_PROXY", f"http://{user}127.0.0.1:{tinyproxy}")
    async with answering(tls_of(certificate) if tls else None) as server:
        server.rows = [OK]
        async with bench(tmp_path, access=Access(Secret(KEY), server.url)) as gemini:
            if user:
                await gemini.gemini.render(gemini.job())
            else:
                with pytest.raises(errors.PerkieError) as raised:
                    await gemini.gemini.render(gemini.job())
                if tls:  # else it may hang up before it has been sent the photo
                    assert "407" in raised.value.message
                    assert "PROXY" in (raised.value.hint or "")
                    assert await gemini.spent() == 0
        assert server.calls == bool(user)


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="httpx2[socks] is installed")
async def test_a_socks_proxy_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
    async with bench(tmp_path, access=Access(Secret(KEY)), warm=False) as gemini:
        with pytest.raises(errors.MissingExtra, match=r"ALL_PROXY.*httpx2\[socks\]") as raised:
            await gemini.draw()
        assert "secret" not in f"{raised.value.message}{raised.value.hint}"
        assert await gemini.spent() == 0


WRONG = [
    ("HTTPS_PROXY", "http://user:secret@h:99999", "HTTPS_PROXY"),
    ("HTTPS_PROXY", "http://user:secret@h:abc", "HTTPS_PROXY"),
    ("ALL_PROXY", "socks://user:secret@h:1080", "ALL_PROXY"),
    ("ALL_PROXY", "ftp://user:secret@h", "ALL_PROXY"),
    ("HTTP_PROXY", "http://", "HTTP_PROXY"),
    ("SSL_CERT_FILE", "/no/such/file", "SSL_CERT_FILE"),
    ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE"),
]


@pytest.mark.parametrize(("name", "value", "told"), WRONG)
async def test_what_is_wrong_with_the_network_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    async with bench(tmp_path, access=Access(Secret(KEY)), warm=False) as gemini:
        with pytest.raises(errors.InvalidSetting, match=told) as raised:
            await gemini.draw()
        assert raised.value.exit_code == 3
        assert "secret" not in f"{raised.value.message}{raised.value.hint}"
        assert await gemini.spent() == 0


@pytest.mark.parametrize(
    ("settings", "environ", "code"),
    [
        ({"api_key": Secret("AI\nza")}, {}, "invalid_setting"),
        ({"api_key": Secret(KEY), "base_url": "localhost:8081"}, {}, "invalid_setting"),
        ({"api_key": Secret(KEY), "base_url": "http://h:99999"}, {}, "invalid_setting"),
        ({"api_key": Secret(KEY)}, {"HTTPS_PROXY": "http://h:abc"}, "invalid_setting"),
        ({"vertexai": True}, {}, "invalid_setting"),
        ({"api_key": Secret(KEY)}, {"GOOGLE_GENAI_HTTP_CLIENT": "httpx", "ALL_PROXY": "socks5://h:1"}, "missing_extra"),
        ({"api_key": Secret(KEY), "model": "gemini-2.5-flash-image"}, {}, "retired_model"),
        ({"api_key": Secret(" ")}, {}, "missing_credentials"),
    ],
)
async def test_customers_get_a_substitute_engineers_are_told_and_ready_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], environ: dict[str, str], code: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    whole = Settings(
        gemini=GeminiSettings(**settings),  # type: ignore[arg-type]
        cache=CacheSettings(dir=tmp_path / "cache"),
        matting=MattingSettings(engine="builtin"),
    )
    services = build_services(
        whole, {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "STATE")}
    )
    image = codec.photo(codec.encode(photo(300, 260), ImageFormat.PNG).data, ImageLimits())
    try:
        made = await services.generate(GenerateRequest(image, "bw_fine_art", size=256))
        assert (made.degraded, made.degradation_reason, made.engine) == (True, code, "local")
        other = GenerateRequest(image, "ink_wash", size=256, cover_setup=False)
        if code == "missing_extra":  # the machine lacks something; nothing is set wrongly
            assert "httpx2[socks]" in " ".join((await services.generate(other)).warnings)
        else:
            with pytest.raises(errors.PerkieError) as raised:
                await services.generate(other)
            assert raised.value.code == code
        gemini = next(each for each in dependencies(services, "artistic") if each.name == "gemini")
        found = await outcome(gemini.ping)
        assert (isinstance(found, errors.PerkieError) and found.code, gemini.required) == (code, False)
        if code == "retired_model":  # time alone brings it: a restart must not turn substitutes into an outage
            await check_start(services, "artistic")
        else:
            with pytest.raises(errors.PerkieError) as raised:
                await check_start(services, "artistic")
            assert raised.value.code == code
        assert await services.ledger.spent(services.clock.now().date()) == 0
    finally:
        await services.aclose()
