"""``perkie emulate gcp`` and ``firestore`` as processes, used by the other commands."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
from google.cloud import storage
from google.oauth2 import service_account

from tests.conftest import ROOT, Perkie


@contextmanager
def emulating(*args: str, lines: int) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """The variables that it printed, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "perkie_cli", "emulate", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = dict(process.stdout.readline().strip().split("=", 1) for _ in range(lines))
        yield told, process
    finally:
        process.kill()
        process.communicate()


def test_quotas_live_in_the_emulated_firestore(perkie: Perkie) -> None:
    ports = [word for name in ("storage", "firestore", "monitoring", "run", "iam") for word in (f"--{name}-port", "0")]
    with emulating("gcp", *ports, lines=5) as (told, process):
        names = {"STORAGE", "FIRESTORE", "MONITORING", "CLOUD_RUN", "CLOUD_IAM"}
        assert set(told) == {f"{name}_EMULATOR_HOST" for name in names}
        env = {**told, "PERKIE_QUOTA_STORE": "firestore"}
        assert perkie("quota", "grant", "3", "--customer", "42", "--yes", env=env).returncode == 0
        shown = json.loads(perkie("quota", "show", "--all", "--json", env=env).stdout)
        assert shown["summary"]["store"].startswith("firestore:")
        assert [(each["counter"], each["limit"]) for each in shown["results"]] == [("customer:42", 8)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_all_of_them_serve_one_generation(perkie_here: Perkie, cat: Path) -> None:
    names = ("gemini", "storage", "firestore", "monitoring", "run", "iam")
    ports = [word for name in names for word in (f"--{name}-port", "0")]
    with emulating("all", *ports, "--bucket", "pets", "--picture", "tiny", lines=7) as (told, _):
        stores = {"PERKIE_CACHE_STORE": "gcs", "PERKIE_CACHE_BUCKET": "pets", "PERKIE_QUOTA_STORE": "firestore"}
        env = {**told, **stores, "GOOGLE_CLOUD_PROJECT": "p"}
        drawn = perkie_here("stylize", cat, "--style", "ink_wash", "--customer", "42", "--json", env=env)
        (result,) = json.loads(drawn.stdout)["results"]
        assert (result.get("engine"), result.get("degraded")) == ("gemini", False), drawn.stdout + drawn.stderr
        shown = json.loads(perkie_here("quota", "show", "--customer", "42", "--json", env=env).stdout)
        assert shown["results"][0]["used"] == 1
        stats = json.loads(perkie_here("cache", "stats", "--json", env=env).stdout)
        assert sum(row["count"] for row in stats["results"]) > 0


def test_faults_by_plan_and_live(perkie_here: Perkie, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "error"\ncode = "UNAVAILABLE"\n')
    with emulating("firestore", "--port", "0", "--plan", str(plan), lines=1) as (told, process):
        assert process.stderr is not None
        admin = process.stderr.readline().split()[2]
        env = {**told, "PERKIE_QUOTA_STORE": "firestore"}
        down = perkie_here("quota", "show", "--customer", "42", env=env)
        assert (down.returncode, "does not answer" in down.stderr) == (5, True)
        urllib.request.urlopen(urllib.request.Request(admin, method="DELETE"))
        assert perkie_here("quota", "show", "--customer", "42", env=env).returncode == 0


def test_a_plan_or_a_port_that_is_wrong_is_a_sentence(perkie_here: Perkie, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "error"\nshare = 2\n')
    wrong = perkie_here("emulate", "firestore", "--plan", plan)
    assert wrong.returncode == 3
    assert "fault 1: share" in wrong.stderr
    with emulating("firestore", "--port", "0", lines=1) as (told, _):
        taken = perkie_here("emulate", "firestore", "--port", told["FIRESTORE_EMULATOR_HOST"].rpartition(":")[2])
    assert taken.returncode == 2
    assert taken.stderr.startswith("error: cannot listen there")


def test_links_of_the_users_key_open_over_tls(tmp_path: Path, signing_key: tuple[str, bytes]) -> None:
    account = {"private_key": signing_key[0], "client_email": "a@b.c", "token_uri": "http://127.0.0.1:1/token"}
    (tmp_path / "key.json").write_text(json.dumps(account))
    credentials = service_account.Credentials.from_service_account_info(account)  # type: ignore[no-untyped-call]
    options = ("--port", "0", "--bucket", "pets", "--signing-key", str(tmp_path / "key.json"), "--tls")
    with emulating("storage", *options, lines=1) as (told, process):
        assert process.stderr is not None
        certificate = Path(process.stderr.readline().split()[3])
        blob = storage.Client("p", credentials).bucket("pets").blob("a.jpg")

        def link(method: str) -> str:
            address = {"api_access_endpoint": told["STORAGE_EMULATOR_HOST"], "version": "v4", "method": method}
            return str(blob.generate_signed_url(timedelta(minutes=5), credentials=credentials, **address))

        with httpx2.Client(verify=ssl.create_default_context(cafile=str(certificate))) as http:
            assert http.put(link("PUT"), content=b"picture").status_code == 200
            assert http.get(link("GET")).content == b"picture"
            assert http.get(link("GET").replace("a.jpg", "b.jpg")).status_code == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not certificate.exists()


def test_a_wrong_key_or_certificate_is_a_sentence(perkie_here: Perkie, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    for flags, exit_code, sentence in (
        (["--signing-key", "key"], 3, "signing key key is not a key"),
        (["--signing-key", "missing"], 3, "signing key missing cannot be read"),
        (["--tls-cert", "key"], 3, "key is not a certificate"),
        (["--tls-key", "key"], 2, "--tls-key needs --tls-cert"),
    ):
        done = perkie_here("emulate", "storage", "--port", "0", *flags)
        assert done.returncode == exit_code
        assert done.stderr.startswith("error: ")
        assert sentence in done.stderr


def test_without_credentials_firestore_names_what_to_run(perkie: Perkie) -> None:
    env = {"PERKIE_QUOTA_STORE": "firestore", "NO_GCE_CHECK": "true"}
    done = perkie("quota", "show", "--customer", "42", env=env)
    assert done.returncode == 4
    assert "gcloud auth application-default login" in done.stderr
