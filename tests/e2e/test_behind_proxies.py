"""perkie behind nginx and Caddy as docs/deploying.md sets them up: TLS, a port and a prefix; real clients."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.conftest import CAT, ROOT
from tests.http_server import PHOTO64
from tests.serving import perkie_serve

PAGE = (ROOT / "docs" / "deploying.md").read_text("utf-8")
KEY = "the shop's key"
NAME = "shop.example"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Front:
    """A proxy in front of perkie, as its clients see it."""

    port: int
    certificate: Path
    log: Path

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}/perkie"

    def curl(self, path: str, *more: str) -> subprocess.CompletedProcess[str]:
        """curl, which believes that the name leads here."""
        words = ["curl", "-sS", "--cacert", str(self.certificate), "--resolve", f"{NAME}:{self.port}:127.0.0.1"]
        url = path if path.startswith("https:") else f"{self.url}{path}"
        return subprocess.run([*words, url, *more], capture_output=True, text=True, timeout=90, check=False)


def certificate_in(folder: Path) -> tuple[Path, Path]:
    pem, key = folder / "tls.pem", folder / "tls.key"
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(
        ["openssl", "req", *kind, "-keyout", key, "-out", pem, *subject], check=True, capture_output=True, timeout=60
    )
    return pem, key


def nginx_command(folder: Path, port: int, upstream: int, pem: Path, key: Path) -> list[str]:
    text = block("nginx").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace("server 127.0.0.1:8080", f"server 127.0.0.1:{upstream}")
    text = text.replace("/etc/nginx/tls/shop.example.pem", str(pem))
    text = text.replace("/etc/nginx/tls/shop.example.key", str(key))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"user root; pid {folder}/pid; error_log stderr; daemon off; worker_processes 1;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off; {temporary}\n{text}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy_command(folder: Path, port: int, upstream: int, pem: Path, key: Path) -> list[str]:
    text = block("caddyfile").replace("shop.example {", f"https://shop.example:{port} {{\n    tls {pem} {key}", 1)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{upstream}")
    options = (
        f"{{\n admin off\n auto_https disable_redirects\n default_bind 127.0.0.1\n storage file_system {folder}\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES = {"nginx": nginx_command, "caddy": caddy_command}


@contextmanager
def front(kind: str, folder: Path, upstream: str) -> Iterator[Front]:
    folder.mkdir()
    pem, key = certificate_in(folder)
    port = free_port()
    command = PROXIES[kind](folder, port, int(upstream.rpartition(":")[2]), pem, key)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    made = Front(port, pem, folder / "log")
    try:
        for _ in range(200):
            if made.curl("/health").returncode == 0:
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(params=PROXIES)
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    if shutil.which(request.param) is None or shutil.which("openssl") is None:
        pytest.skip(f"no {request.param} or openssl on this machine")
    keys = tmp_path / "keys.toml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    keys.write_text(f'[[key]]\nname = "shop"\nsha256 = "{digest}"\nscopes = ["generate", "matting"]\n')
    env = {
        "PERKIE_HTTP_API_KEYS": str(keys),
        "PERKIE_HTTP_TRUSTED_HOPS": "1",
        "PERKIE_HTTP_LINK_SECRET": "a secret for all instances",
        "PERKIE_MATTING_ENGINE": "builtin",
    }
    with (
        perkie_serve(tmp_path, "--auth", "api-key", env=env) as server,
        front(request.param, tmp_path / "front", server.url) as made,
    ):
        yield made
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert "public_url" not in server.log.partition("\n")[2].partition("\n")[2], "no link was dead"


def test_links_lead_back_through_the_proxy_and_forged_names_do_not(behind: Front) -> None:
    form = ("-F", f"image=@{CAT}", "-F", "style=ink_wash", "-F", "session_id=anna77", "-H", f"X-API-Key: {KEY}")
    names = {"Host": "evil.test", "Prefix": "/evil", "Proto": "http", "Port": "99"}
    forged = tuple(word for name, value in names.items() for word in ("-H", f"X-Forwarded-{name}: {value}"))
    for more in ((), forged):
        answer = behind.curl("/api/v1/generate", "--fail-with-body", *form, *more)
        assert answer.returncode == 0, answer.stdout + behind.log.read_text()
        facts = json.loads(answer.stdout)
        for url in (facts["image_url"], facts["original_url"]):
            assert url.startswith(f"{behind.url}/images/"), url
            got = behind.curl(url, "-o", "/dev/null", "-w", "%{http_code} %{content_type}")
            assert re.fullmatch(r"200 image/(jpeg|png)", got.stdout), got.stdout

    assert 'src="page/app.js"' in behind.curl("/").stdout
    assert behind.curl("/page/app.js", "-o", "/dev/null", "-w", "%{http_code}").stdout == "200"
    assert behind.curl("", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}").stdout.endswith("/perkie/")
    assert behind.curl("/metrics", "-o", "/dev/null", "-w", "%{http_code}").stdout == "404"


def test_streams_and_sockets_pass(behind: Front) -> None:
    form = ("-F", f"image=@{CAT}", "-F", "styles=ink_wash", "-H", f"X-API-Key: {KEY}")
    stream = behind.curl("/api/v2/process", "-N", "-H", "Accept: text/event-stream", *form)
    assert re.findall(r"^event: (\w+)$", stream.stdout, re.M) == ["accepted", "cutout", "style", "done"]
    trusted = ssl.create_default_context(cafile=str(behind.certificate))
    with (
        socket.create_connection(("127.0.0.1", behind.port)) as wire,
        connect(f"wss://{NAME}:{behind.port}/perkie/api/v2/process", sock=wire, ssl=trusted, open_timeout=60) as made,
    ):
        made.send(json.dumps({"token": KEY, "image_data": PHOTO64, "styles": "modern"}))
        told = [json.loads(message) for message in made]
    assert [each["event"] for each in told] == ["accepted", "cutout", "style", "done"]
    assert told[2]["data"]["result"]["image_url"].startswith(f"{behind.url}/images/")


def test_what_the_front_end_limits_never_reaches_perkie(behind: Front, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"\xff" * (33 * 2**20 + 2**19))
    sent = behind.curl(
        "/remove-background", "--data-binary", f"@{large}", "-H", f"X-API-Key: {KEY}", "-o", "/dev/null",
        "-w", "%{http_code}",
    )  # fmt: skip
    assert sent.stdout == "413"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = tmp_path / "perkie.service"
    unit.write_text(block("ini").replace("/opt/perkie/bin/perkie", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
