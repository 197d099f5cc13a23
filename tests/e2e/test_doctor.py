"""``perkie doctor`` as a process, against emulators, disks and servers that are not well."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from time import time

import jsonschema_rs
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.conftest import CAT, ROOT, Perkie
from tests.e2e.test_command_line import HEAVY, imported
from tests.e2e.test_emulate_gcp import emulating as emulating_gcp
from tests.e2e.test_stylize_gemini import CANARY, GONE, Emulator, emulating
from tests.integration.storage.test_sqlite_trouble import disk, fill
from tests.serving import perkie_serve

LOCAL = {"PERKIE_STYLE_ENGINE": "local", "PERKIE_MATTING_ENGINE": "builtin"}
PATIENT = ("--time-limit", "60", "--json")  # no verdict of these tests hangs on how fast the machine is


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulating("--picture", "tiny", "--api-key", "good") as running:
        yield running


@pytest.fixture
def gemini(emulator: Emulator) -> dict[str, str]:
    return {"GOOGLE_GEMINI_BASE_URL": emulator.url, "GEMINI_API_KEY": "good", "PERKIE_MATTING_ENGINE": "builtin"}


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, Mapping[str, str]]:
    """The most urgent row of each check."""
    found = json.loads(done.stdout)["results"]
    assert done.returncode == (8 if any(each["level"] in ("error", "warning") for each in found) else 0), done.stderr
    return {each["check"]: each for each in reversed(found)}


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def enough_room(home: Path) -> bool:
    left = subprocess.run(["df", "--output=avail", "-k", home], capture_output=True, text=True, check=True).stdout
    return int(left.split()[-1]) > 1024**2


def test_nothing_is_wrong_nothing_is_made_and_it_fits_a_screen(perkie: Perkie, home: Path) -> None:
    before = tree(home)
    done = perkie("doctor", env=LOCAL)
    assert done.returncode == (0 if enough_room(home) else 8), done.stdout
    assert tree(home) == before
    told = done.stdout.splitlines()
    assert 10 <= len(told) <= 26
    assert all(len(line) <= 80 or str(home) in line for line in told)


def draw(perkie: Perkie) -> None:
    words = ("-s", "ink_wash", "--size", "256", "--customer", "42", "-o", "drawn.jpg")
    drawn = perkie("stylize", CAT, *words, env=LOCAL)
    assert drawn.returncode == 0, drawn.stderr


def test_files_that_are_there_stay_as_they_are(perkie_here: Perkie, home: Path) -> None:
    draw(perkie_here)
    assert perkie_here("quota", "grant", "1", "--customer", "42", "--yes").returncode == 0
    before = tree(home)
    found = rows(perkie_here("doctor", *PATIENT, env=LOCAL))
    assert "quotas.sqlite" in found["state.files"]["message"]
    assert tree(home) == before


def test_it_imports_no_client_that_it_does_not_use() -> None:
    assert imported("doctor", "--only", "state.files,versions,security.access").isdisjoint(HEAVY)


def test_a_good_key_is_accepted_and_nothing_is_spent(
    perkie_here: Perkie, emulator: Emulator, gemini: dict[str, str]
) -> None:
    found = rows(perkie_here("doctor", *PATIENT, env=gemini))
    assert {each: found[each]["level"] for each in found if each.startswith(("gemini.", "spend."))} == {
        "gemini.key": "ok",
        "gemini.model": "ok",
        "gemini.listed": "ok",
        "spend.today": "ok",
        "gemini.orders": "ok",
    }
    assert emulator.calls == 0


def test_a_wrong_key_is_the_first_line_and_is_not_shown(perkie_here: Perkie, gemini: dict[str, str]) -> None:
    env = {**gemini, "GEMINI_API_KEY": CANARY}
    told = perkie_here("doctor", "--time-limit", "60", env=env)
    assert told.stdout.startswith("error    gemini.key ")
    assert told.returncode == 8
    done = perkie_here("doctor", *PATIENT, env=env)
    assert CANARY not in f"{told.stdout}{told.stderr}{done.stdout}{done.stderr}"
    found = rows(done)
    assert "GEMINI_API_KEY" in found["gemini.key"]["fix"]
    assert found["gemini.listed"]["level"] == "skipped", "one cause is one finding"


def test_no_key_where_gemini_is_asked_for_is_told_with_where_to_get_one(perkie_here: Perkie) -> None:
    found = rows(perkie_here("doctor", *PATIENT, env={"PERKIE_STYLE_ENGINE": "gemini"}))
    assert found["gemini.key"]["level"] == "error"
    assert "GEMINI_API_KEY" in found["gemini.key"]["fix"]


def test_a_retired_and_an_unknown_model_are_told_with_the_successor(
    perkie_here: Perkie, home: Path, gemini: dict[str, str]
) -> None:
    (home / "config" / "perkie").mkdir(parents=True)
    (home / "config" / "perkie" / "models.toml").write_text(GONE)
    retired = rows(perkie_here("doctor", *PATIENT, env={**gemini, "PERKIE_GEMINI_MODEL": "gone"}))["gemini.model"]
    assert (retired["level"], retired["fix"]) == ("error", "export PERKIE_GEMINI_MODEL=gemini-nano-banana-2.1")
    unknown = rows(perkie_here("doctor", *PATIENT, env={**gemini, "PERKIE_GEMINI_MODEL": "gemini-nano-bananas"}))
    assert unknown["gemini.model"]["level"] == "error"
    assert "Did you mean" in unknown["gemini.model"]["fix"]


@pytest.mark.parametrize(("days", "level"), [(29, "warning"), (32, "ok")])
def test_a_model_is_told_of_30_days_before_its_shutdown(
    perkie_here: Perkie, home: Path, gemini: dict[str, str], days: int, level: str
) -> None:
    (home / "config" / "perkie").mkdir(parents=True)
    soon = datetime.now(UTC).date() + timedelta(days=days)
    (home / "config" / "perkie" / "models.toml").write_text(GONE.replace("2020-01-31", str(soon)))
    done = perkie_here("doctor", "--only", "gemini.model", *PATIENT, env={**gemini, "PERKIE_GEMINI_MODEL": "gone"})
    assert rows(done)["gemini.model"]["level"] == level


def test_no_connection_is_told_and_offline_nobody_asks(perkie_here: Perkie, gemini: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        env = {**gemini, "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        found = rows(perkie_here("doctor", *PATIENT, env=env))
        assert (found["gemini.key"]["level"], found["clock"]["level"]) == ("error", "skipped")
        assert found["gemini.key"]["fix"].startswith("curl ")
        offline = rows(perkie_here("doctor", "--offline", *PATIENT, env=env))
        assert {offline[each]["level"] for each in ("gemini.key", "gemini.listed", "clock")} == {"skipped"}


def test_an_api_that_hangs_ends_at_the_limit_and_so_does_the_process(perkie: Perkie, gemini: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        env = {**gemini, "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        done = perkie("doctor", "--time-limit", "1", "--only", "gemini.key,versions", "--json", env=env)
    found = rows(done)
    assert (found["gemini.key"]["level"], found["versions"]["level"]) == ("error", "ok")
    assert found["gemini.key"]["message"] == "no answer within 1 s"
    assert found["gemini.key"]["fix"] == "perkie doctor --only gemini.key --time-limit 5"


def test_a_file_that_never_answers_ends_at_the_limit_and_so_does_the_process(perkie: Perkie, home: Path) -> None:
    """As on a dead network disk: a thread that reads it cannot be stopped."""
    folder = home / "config" / "perkie" / "styles"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "odd.toml")
    found = rows(perkie("doctor", "--time-limit", "2", "--only", "config.styles,versions", "--json", env=LOCAL))
    assert found["config.styles"]["message"] == "no answer within 2 s"
    assert found["versions"]["level"] == "ok"


@contextlib.contextmanager
def dated(ahead: float) -> Iterator[str]:
    """A server whose clock is ``ahead`` of ours."""

    class Dated(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or time()) + ahead, usegmt=True)

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dated) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("ahead", "level"), [(0, "ok"), (120, "warning"), (3600, "error")])
def test_a_wrong_clock_is_told(perkie_here: Perkie, gemini: dict[str, str], ahead: float, level: str) -> None:
    with dated(ahead) as url:
        done = perkie_here("doctor", "--only", "clock", *PATIENT, env={**gemini, "GOOGLE_GEMINI_BASE_URL": url})
    assert rows(done)["clock"]["level"] == level


def test_corrupt_files_are_each_told_with_what_they_held(perkie_here: Perkie, home: Path) -> None:
    state = home / "state" / "perkie"
    state.mkdir(parents=True)
    for name in ("quotas.sqlite", "outputs.sqlite"):
        (state / name).write_bytes(b"no database at all, whatever the name says" * 100)
    done = perkie_here("doctor", *PATIENT, env=LOCAL)
    found = [each for each in json.loads(done.stdout)["results"] if each["check"] == "state.files"]
    assert [each["level"] for each in found] == ["error", "error"]
    assert {each["fix"] for each in found} == {"perkie state verify --repair"}
    assert rows(done)["quota.store"]["level"] == "error"


def test_a_full_disk_and_a_read_only_one_are_told(
    perkie_here: Perkie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "disk") as folder:
        for kind in ("CACHE", "STATE"):
            monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        fill(folder)
        full = rows(perkie_here("doctor", *PATIENT, env=LOCAL))["disk.space"]
        assert full["level"] == "error"
        assert full["fix"].startswith(f"du -xhd1 {folder / 'filler'}  # "), "the cache is not what fills it"
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        found = rows(perkie_here("doctor", *PATIENT, env=LOCAL))["disk.space"]
        assert (found["level"], found["fix"]) == ("error", f"mount -o remount,rw {folder}")


def test_a_drifted_bucket_that_can_be_public_is_told_until_it_is_mended(perkie_here: Perkie) -> None:
    ports = [word for name in ("storage", "firestore", "monitoring", "run", "iam") for word in (f"--{name}-port", "0")]
    with emulating_gcp("gcp", *ports, "--bucket", "pets", lines=2) as (told, _):
        stores = {"PERKIE_CACHE_STORE": "gcs", "PERKIE_CACHE_BUCKET": "pets", "PERKIE_QUOTA_STORE": "firestore"}
        env = {**LOCAL, **told, **stores, "GOOGLE_CLOUD_PROJECT": "p"}
        client = storage.Client(
            project="p",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth is untyped here
            client_options={"api_endpoint": told["STORAGE_EMULATOR_HOST"]},
        )
        bucket = client.get_bucket("pets")
        bucket.soft_delete_policy.retention_duration_seconds = 7 * 86_400
        bucket.patch()
        drifted = perkie_here("doctor", *PATIENT, env=env)
        found = rows(drifted)
        assert (found["cache.store"]["level"], found["quota.store"]["level"]) == ("ok", "ok")
        assert [each["fix"] for each in json.loads(drifted.stdout)["results"] if each["check"] == "bucket.rules"] == [
            "perkie lifecycle apply",
            "gcloud storage buckets update gs://pets --clear-soft-delete",
        ]
        assert found["bucket.access"]["level"] == "warning"
        assert (found["bucket.iam"]["level"], found["firestore.ttl"]["level"]) == ("ok", "ok")
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.soft_delete_policy.retention_duration_seconds = 0
        bucket.patch()
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers", "user:a@example.com"}})
        bucket.set_iam_policy(policy)
        assert perkie_here("lifecycle", "apply", "--yes", env=env).returncode == 0
        mended = rows(perkie_here("doctor", *PATIENT, env=env))
        assert (mended["bucket.access"]["level"], mended["bucket.rules"]["level"]) == ("ok", "ok"), mended
        assert mended["bucket.iam"]["level"] == "error"
        assert mended["bucket.iam"]["fix"].endswith("gs://pets --member=allUsers --role=roles/storage.objectViewer")
        gone = rows(perkie_here("doctor", *PATIENT, env={**env, "PERKIE_CACHE_BUCKET": "not-there"}))
        assert gone["cache.store"]["level"] == "error"
        levels = {gone[f"bucket.{each}"]["level"] for each in ("access", "rules", "iam")}
        assert levels == {"skipped"}, "one cause"


def test_a_cache_over_its_limit_or_with_a_limit_that_the_disk_lacks_is_told(perkie_here: Perkie) -> None:
    draw(perkie_here)
    for limit, level in (("1", "warning"), ("900000GiB", "warning"), ("100MiB", "ok")):
        found = rows(perkie_here("doctor", "--only", "cache.store", *PATIENT, env={"PERKIE_CACHE_MAX_SIZE": limit}))
        assert found["cache.store"]["level"] == level, limit


def test_a_cap_that_is_reached_is_told_with_the_setting(perkie_here: Perkie, gemini: dict[str, str]) -> None:
    env = {**gemini, "PERKIE_GEMINI_DAILY_CAP_USD": "0"}
    found = rows(perkie_here("doctor", "--only", "spend.today", *PATIENT, env=env))["spend.today"]
    assert (found["level"], found["fix"]) == ("error", "export PERKIE_GEMINI_DAILY_CAP_USD=1")


def test_settings_that_cannot_be_read_are_the_one_finding(perkie_here: Perkie, tmp_path: Path) -> None:
    (tmp_path / "perkie.toml").write_text("[style]\nsise = 3\n")
    found = rows(perkie_here("doctor", "--only", "disk.space", *PATIENT))
    assert {name: each["level"] for name, each in found.items()} == {
        "config.settings": "error",
        "disk.space": "skipped",
    }
    assert "style.sise" in found["config.settings"]["message"]
    (tmp_path / "perkie.toml").unlink()
    strange = rows(perkie_here("doctor", *PATIENT, env={**LOCAL, "PERKIE_GEMNI_KEY": "x"}))
    assert strange["config.settings"]["level"] == "warning"


def test_open_files_and_an_open_server_are_told_with_the_command(perkie_here: Perkie, home: Path) -> None:
    file = home / "config" / "perkie" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[gemini]\napi_key = "{CANARY}"\n[style]\nengine = "local"\n[http]\nallow_open = true\n')
    file.chmod(0o644)
    done = perkie_here("doctor", *PATIENT)
    found = rows(done)
    assert (found["security.files"]["level"], found["security.files"]["fix"]) == ("warning", f"chmod 600 {file}")
    assert found["security.access"]["level"] == "error"
    assert CANARY not in done.stdout
    file.chmod(0o602)
    assert rows(perkie_here("doctor", *PATIENT))["security.files"]["fix"] == f"chmod go-w {file}"
    file.chmod(0o600)
    assert rows(perkie_here("doctor", *PATIENT))["security.files"]["level"] == "ok"


def test_a_broken_style_and_missing_weights_are_told(perkie_here: Perkie, home: Path) -> None:
    folder = home / "config" / "perkie" / "styles"
    folder.mkdir(parents=True)
    (folder / "odd.toml").write_text('id = "odd"\n')
    found = rows(perkie_here("doctor", *PATIENT, env={**LOCAL, "PERKIE_MATTING_ENGINE": "inspyrenet"}))
    assert found["config.styles"]["level"] == "error"
    assert found["config.styles"]["fix"] == f"perkie styles check {folder / 'odd.toml'}"
    weights = found["matting.weights"]
    assert (weights["level"], weights["fix"]) == ("warning", "perkie models pull, or set matting.engine to builtin")
    assert rows(perkie_here("doctor", *PATIENT, env=LOCAL))["matting.weights"]["level"] == "ok"
    unknown = rows(perkie_here("doctor", *PATIENT, env={**LOCAL, "PERKIE_MATTING_ENGINE": "bultin"}))
    assert "'builtin'" in unknown["matting.weights"]["message"]


@pytest.mark.parametrize("only", ["gemini.ke", "", "server.ready"])
def test_an_id_that_is_none_is_a_usage_error(perkie_here: Perkie, only: str) -> None:
    assert perkie_here("doctor", "--only", only).returncode == 2


def test_a_running_server_is_well_and_one_with_a_broken_store_is_not(perkie: Perkie, tmp_path: Path) -> None:
    with perkie_serve(tmp_path / "its", env=LOCAL) as server:
        found = rows(perkie("doctor", "--url", f"{server.url}/", *PATIENT))
        assert {name: each["level"] for name, each in found.items()} == {
            "server.health": "ok",
            "server.ready": "ok",
            "server.metrics": "ok",
            "server.limits": "ok",
        }
        store = next((tmp_path / "its").rglob("quotas.sqlite"))
        for each in store.parent.glob("quotas.sqlite*"):
            each.unlink()
        store.mkdir()
        broken = rows(perkie("doctor", "--url", server.url, *PATIENT))
        assert broken["server.ready"]["level"] == "warning", "without it a server counts in memory"
        assert broken["server.ready"]["message"].startswith("quotas: ")
        url = server.url
    gone = rows(perkie("doctor", "--url", url, *PATIENT))
    assert {each["level"] for each in gone.values()} == {"error"}
    assert perkie("doctor", "--url", "localhost").returncode == 2


def test_metrics_that_are_not_for_everybody_are_skipped(perkie_here: Perkie, tmp_path: Path) -> None:
    env = {**LOCAL, "PERKIE_HTTP_AUTH": "jwt", "PERKIE_HTTP_JWT_SECRET": CANARY * 3}
    made = perkie_here(
        "keys", "create", "on-call", "--scope", "metrics", "--file", str(tmp_path / "keys.toml"), "--json"
    )
    (key,) = json.loads(made.stdout)["results"]
    own = {**env, "PERKIE_HTTP_AUTH": "api-key,jwt", "PERKIE_HTTP_API_KEYS": str(tmp_path / "keys.toml")}
    with perkie_serve(tmp_path / "its", env=own) as server:
        found = rows(perkie_here("doctor", "--url", server.url, *PATIENT))
        opened = rows(perkie_here("doctor", "--url", server.url, "-H", f"X-API-Key: {key['key']}", *PATIENT))
    assert {each["level"] for each in opened.values()} == {"ok"}
    assert {name: each["level"] for name, each in found.items()} == {
        "server.health": "ok",
        "server.ready": "ok",
        "server.metrics": "skipped",
        "server.limits": "skipped",
    }
    links = rows(perkie_here("doctor", "--only", "security.access", *PATIENT, env=env))["security.access"]
    assert (links["level"], "PERKIE_HTTP_LINK_SECRET" in links["fix"]) == ("warning", True)


def test_the_schema_has_its_row(perkie_here: Perkie) -> None:
    schema = jsonschema_rs.validator_for(json.loads((ROOT / "docs" / "envelope.schema.json").read_text()))
    schema.validate(json.loads(perkie_here("doctor", *PATIENT, env=LOCAL).stdout))
