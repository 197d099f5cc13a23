"""What every test gets: a home of its own, no keys of the developer's, no proxy in the way of loopback."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest
from hypothesis import HealthCheck, settings

from tests.clock import ManualClock
from tests.events import Recorder

# Timings never decide a test, nor does chance: every run tries the same examples. `--hypothesis-profile search` tries
# others.
settings.register_profile(
    "perkie",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("search", settings.get_profile("perkie"), derandomize=False)
settings.load_profile("perkie")

# A shell that starts pytest in the background lets it, and all that it starts, ignore SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Without stored bytecode each of hundreds of processes compiles perkie anew, and each run all tests. It stands here
# so that pytest's workers, too, start without it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).parent.parent
CAT = ROOT / "examples" / "photos" / "cat.png"
# Settings of the developer's own shell, or of a CI, that would change what perkie does or how it prints.
OWN_PREFIXES = ("PERKIE_", "GEMINI_", "GOOGLE_", "XDG_", "CLOUD_RUN_", "FIRESTORE_", "STORAGE_", "CLOUDSDK_", "TTY_")
OWN_NAMES = {"PORT", "COLUMNS", "LINES", "TERMINAL_WIDTH", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"}
OWN_NAMES |= {"PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG", "PYTHONSAFEPATH"}
OWN_NAMES |= {"TRANSPARENT_BACKGROUND_FILE_PATH", "GCLOUD_PROJECT", "NO_GCE_CHECK"}

Perkie = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def one_day() -> None:
    """No test begins in the last seconds of a day (UTC): quotas and bills are by the day, some by the real clock."""
    left = 86_400 - time.time() % 86_400
    if left < 30:
        time.sleep(left)


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the shell that started the tests, also for what many of them share: servers, emulators."""
    with pytest.MonkeyPatch.context() as environ:
        for name in list(os.environ):
            if name.startswith(OWN_PREFIXES) or name in OWN_NAMES or name.lower().endswith("_proxy"):
                environ.delenv(name)
        environ.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process reads one certificate authority where it would read all: each HTTP client does, for 20 ms.

    Other files of certificates are read as they are.
    """
    bundles = {certifi.where(), ssl.get_default_verify_paths().openssl_cafile, os.environ.get("SSL_CERT_FILE")} - {None}
    first, end, _ = Path(certifi.where()).read_text("utf-8").partition("-----END CERTIFICATE-----\n")
    one = tmp_path_factory.mktemp("authority") / "one.pem"
    one.write_text(first + end, "utf-8")
    read = ssl.SSLContext.load_verify_locations

    def read_one(context: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if cafile in bundles:
            read(context, one)
        else:
            read(context, cafile, capath, cadata)

    with pytest.MonkeyPatch.context() as contexts:
        contexts.setattr(ssl.SSLContext, "load_verify_locations", read_one)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for this test; perkie's folders lie below it."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(place))
    for kind in ("CONFIG", "CACHE", "STATE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(place / kind.lower()))
    return place


@pytest.fixture
def perkie(tmp_path: Path) -> Perkie:
    """Runs the command line as a process in ``tmp_path``: the script that ``TEST_PERKIE_SCRIPT`` names, if any."""
    script = (
        [os.environ["TEST_PERKIE_SCRIPT"]]
        if "TEST_PERKIE_SCRIPT" in os.environ
        else [sys.executable, "-m", "perkie_cli"]
    )
    path = {} if "TEST_PERKIE_SCRIPT" in os.environ else {"PYTHONPATH": str(ROOT)}

    def run_process(
        *args: str | Path, env: Mapping[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*script, *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, **path, **(env or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
            check=False,
        )

    return run_process


def counts(summary: object) -> dict[str, object]:
    """A batch's summary without what differs from run to run."""
    assert isinstance(summary, dict)
    assert summary.keys() >= {"cost_usd", "seconds", "run"}
    return {name: value for name, value in summary.items() if name not in ("cost_usd", "seconds", "run", "cluster")}


@pytest.fixture
def clock() -> ManualClock:
    """Time that moves when told to."""
    return ManualClock()


@pytest.fixture
def events() -> Recorder:
    """All that happens."""
    return Recorder()


@pytest.fixture
def perkie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Perkie:
    """As ``perkie``, but inside this process, which takes a tenth of the time: for what is told, not how it ends."""
    from perkie_cli.cli.boundary import run
    from perkie_cli.cli.flags import hoist

    monkeypatch.chdir(tmp_path)

    def run_here(*args: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        with pytest.MonkeyPatch.context() as environ:
            for name, value in (env or {}).items():
                environ.setenv(name, value)
            exit_code = run(hoist(list(map(str, args))))
        return subprocess.CompletedProcess(args, exit_code, *capsys.readouterr())

    return run_here


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """A copy of the shipped photo in ``tmp_path``."""
    target = tmp_path / "cat.png"
    target.write_bytes(CAT.read_bytes())
    return target


@pytest.fixture(scope="session")
def signing_key() -> tuple[str, bytes]:
    """PEM of a private key and of its public half."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private, public
