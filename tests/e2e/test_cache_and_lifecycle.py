"""``perkie cache`` and ``perkie lifecycle`` as processes, over the disk and over an emulated bucket."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.conftest import CAT, ROOT, Perkie
from tests.e2e.test_command_line import HEAVY, imported

BUCKET = "pets"


@pytest.fixture
def bucket(home: Path) -> Iterator[dict[str, str]]:
    """`perkie emulate storage` as a process; the environment that points perkie at it."""
    command = [sys.executable, "-m", "perkie_cli", "emulate", "storage", "--port", "0", "--bucket", BUCKET]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        name, _, url = process.stdout.readline().strip().partition("=")
        yield {name: url, "PERKIE_CACHE_STORE": "gcs", "PERKIE_CACHE_BUCKET": BUCKET}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def envelope(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def draw(perkie: Perkie, env: dict[str, str], *words: str) -> None:
    done = perkie("stylize", CAT, "--style", "bw_fine_art", "--size", "256", "--out-dir", "out", *words, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args", [("cache", "stats"), ("cache", "inspect"), ("lifecycle", "--help")], ids=" ".join)
def test_looking_imports_nothing_heavy(args: tuple[str, ...]) -> None:
    assert imported(*args).isdisjoint({*HEAVY, "rich", "multiprocessing"} if args[0] == "cache" else HEAVY)


def test_a_file_that_lost_its_entry_is_not_called_broken(perkie_here: Perkie, home: Path) -> None:
    nothing = perkie_here("cache", "inspect", "--customer", "42")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr.endswith("of: customer 42\n"), nothing.stderr
    whole = home / "cache" / "perkie" / "objects" / "originals" / "customers" / "42" / f"{'ca' * 32}.jpg"
    whole.parent.mkdir(parents=True)
    whole.write_bytes(CAT.read_bytes())
    done = perkie_here("cache", "verify")
    assert (done.returncode, "broken," in done.stderr, "1 whole that would be adopted" in done.stderr) == (
        8,
        False,
        True,
    )
    command = re.search(r"`perkie (cache verify.*)` removes", done.stderr)
    assert command is not None
    assert perkie_here(*command[1].split()).returncode == 0, "the advice works where nobody can be asked"
    assert perkie_here("cache", "verify").returncode == 0


@pytest.mark.parametrize(
    ("typed", "meant"), [("cache ls", "perkie cache inspect"), ("quota list", "perkie quota show --all")]
)
def test_a_list_by_its_usual_name_is_pointed_to(perkie_here: Perkie, typed: str, meant: str) -> None:
    done = perkie_here(*typed.split())
    assert (done.returncode, f"`{meant}` lists" in done.stderr) == (2, True)


def test_pictures_that_somebody_deleted_are_brought_back(perkie_here: Perkie, bucket: dict[str, str]) -> None:
    draw(perkie_here, bucket, "--customer", "42")
    listed = envelope(perkie_here("cache", "inspect", "--json", env=bucket))["results"]
    home = f"{bucket['STORAGE_EMULATOR_HOST']}/storage/v1/b/{BUCKET}"
    requests.patch(home, json={"softDeletePolicy": {"retentionDurationSeconds": "604800"}}, timeout=60)
    for row in listed:
        assert requests.delete(f"{home}/o/{quote(row['key'], safe='')}", timeout=60).status_code == 204
    told = envelope(perkie_here("lifecycle", "diff", "--json", env=bucket))["summary"]
    assert told["restorable"]["count"] == len(listed)
    doctor = perkie_here("doctor", "--only", "bucket.rules", env=bucket)
    assert f"{len(listed)} objects are gone and can be brought back" in doctor.stdout
    looked = perkie_here("cache", "restore", "--since", "1h", "--dry-run", env=bucket)
    assert (looked.returncode, looked.stdout.count("\n")) == (0, len(listed))
    unasked = perkie_here("cache", "restore", env=bucket)
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    done = perkie_here("cache", "restore", "--yes", env=bucket)
    assert f"brought back {len(listed)} objects" in done.stderr
    assert "perkie lifecycle apply" in done.stderr
    again = envelope(perkie_here("cache", "inspect", "--json", env=bucket))["results"]
    assert [(row["key"], row["sha256"]) for row in again] == [(row["key"], row["sha256"]) for row in listed]
    assert envelope(perkie_here("audit", "list", "--json", env=bucket))["results"][-1]["action"] == "cache restore"
    on_disk = perkie_here("cache", "restore", "--dry-run")
    assert (on_disk.returncode, "keeps no old versions" in on_disk.stderr) == (3, True)


def test_a_bucket_that_keeps_nothing_is_told_apart(perkie: Perkie, bucket: dict[str, str]) -> None:
    home = f"{bucket['STORAGE_EMULATOR_HOST']}/storage/v1/b/{BUCKET}"
    told = perkie("cache", "restore", "--dry-run", env=bucket)
    assert (told.returncode, "--soft-delete-duration=7d" in told.stderr) == (0, True), told.stderr
    requests.patch(home, json={"versioning": {"enabled": True}}, timeout=60)
    told = perkie("cache", "restore", "--dry-run", env=bucket)
    assert (told.returncode, told.stderr) == (0, f"nothing in gs://{BUCKET} can be brought back\n")


def test_whoever_may_not_read_the_bucket_s_settings_can_restore(perkie: Perkie, bucket: dict[str, str]) -> None:
    """The server's role, roles/storage.objectUser, is for objects alone."""
    home = f"{bucket['STORAGE_EMULATOR_HOST']}/storage/v1/b/{BUCKET}"
    requests.patch(home, json={"versioning": {"enabled": True}}, timeout=60)
    draw(perkie, bucket, "--customer", "42")
    for row in envelope(perkie("cache", "inspect", "--json", env=bucket))["results"]:
        assert requests.delete(f"{home}/o/{quote(row['key'], safe='')}", timeout=60).status_code == 204
    with objects_only(bucket["STORAGE_EMULATOR_HOST"]) as url:
        done = perkie("cache", "restore", "--yes", env={**bucket, "STORAGE_EMULATOR_HOST": url})
    assert done.returncode == 0, done.stderr
    assert "brought back 2 objects" in done.stderr
    assert "as its owner: perkie lifecycle diff" in done.stderr


@contextmanager
def objects_only(emulator: str) -> Iterator[str]:
    """An address of the emulator where the bucket itself may not be read."""

    class Door(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if self.path.partition("?")[0].endswith(f"/b/{BUCKET}"):
                self.send_error(403)
                return
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            to, headers = emulator + self.path, dict(self.headers)
            answer = requests.request(self.command, to, data=data, headers=headers, timeout=60)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = pass_on  # noqa: N815 -- names of http.server

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_stats_inspect_purge_and_verify(perkie: Perkie, home: Path, request: pytest.FixtureRequest, where: str) -> None:
    env: dict[str, str] = request.getfixturevalue("bucket") if where == "bucket" else {}
    draw(perkie, env, "--customer", "42")
    stats = envelope(perkie("cache", "stats", "--json", env=env))
    areas = {row["area"]: row["count"] for row in stats["results"]}
    assert areas["generated/customers"] == areas["shared"] == 1
    lines = perkie("cache", "inspect", "--customer", "42", "--style", "bw_fine_art", env=env).stdout.splitlines()
    assert len(lines) == 1
    assert "generated/customers/42/" in lines[0]
    assert perkie("cache", "verify", env=env).returncode == 0
    refused = perkie("cache", "purge", "--customer", "42", env=env)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    planned = envelope(perkie("cache", "purge", "--customer", "42", "--dry-run", "--json", env=env))
    assert planned["summary"]["dry_run"] is True
    done = envelope(perkie("cache", "purge", "--customer", "42", "--yes", "--json", env=env))
    assert done["results"] == planned["results"]
    assert envelope(perkie("cache", "stats", "--json", env=env))["summary"]["count"] == 0
    audit = [json.loads(line) for line in (home / "state/perkie/audit.jsonl").read_text().splitlines()]
    assert [(each["action"], "customer:42" in each["target"]) for each in audit] == [("cache purge", True)] * 2


def test_verify_finds_damage_with_exit_8_and_repairs_it(perkie_here: Perkie, home: Path) -> None:
    draw(perkie_here, {})
    damaged = next((home / "cache/perkie/objects/shared").rglob("*.jpg"))
    damaged.write_bytes(b"not what it was")
    found = perkie_here("cache", "verify")
    assert found.returncode == 8
    assert "damaged: shared/" in found.stderr
    assert perkie_here("cache", "verify", "--repair", "--dry-run").returncode == 8
    assert perkie_here("cache", "verify", "--repair", "--yes").returncode == 0
    assert perkie_here("cache", "verify").returncode == 0


def test_an_erasure_names_whom_forgets_quotas_and_hands_out_a_receipt(perkie_here: Perkie, tmp_path: Path) -> None:
    draw(perkie_here, {}, "--customer", "42")
    draw(perkie_here, {}, "--customer", "43", "--force")
    assert perkie_here("quota", "grant", "2", "--customer", "42", "--yes").returncode == 0
    asked = perkie_here("cache", "purge", "--customer", "42")
    assert (asked.returncode, "(2 objects" in asked.stderr) == (2, False)
    assert re.search(r"Remove 2 objects \(.*\) of customer 42 from disk:", asked.stderr)
    keys = {line.split()[-1] for line in perkie_here("cache", "inspect").stdout.splitlines()}
    done = perkie_here("cache", "purge", "--customer", "42", "--yes", "--receipt", "receipts/42.json", "--json")
    assert envelope(done)["summary"]["quota_counters"] == 1
    receipt = json.loads((tmp_path / "receipts" / "42.json").read_text())
    left = {line.split()[-1] for line in perkie_here("cache", "inspect").stdout.splitlines()}
    assert {each["key"] for each in receipt["removed"]} == keys - left
    assert all("customers/43" in key for key in left)
    assert (receipt["complete"], receipt["not_removed"], receipt["error"]) == (True, [], None)
    assert (receipt["chosen"], receipt["quota_counters_forgotten"]) == ("customer 42", 1)
    assert receipt["begun"] <= receipt["ended"]
    assert "@" in receipt["by"]
    assert perkie_here("quota", "show", "--all").stdout == ""


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)], ids=" ".join)
def test_a_mistyped_id_does_not_look_like_a_finished_erasure(perkie_here: Perkie, more: tuple[str, ...]) -> None:
    done = perkie_here("cache", "purge", "--customer", "nosuch", "--yes", *more)
    assert done.returncode == 3
    assert "nothing is stored of customer nosuch" in done.stdout + done.stderr
    assert "removed 0" not in done.stderr


def test_maintenance_with_nothing_to_do_asks_nobody(perkie: Perkie) -> None:
    done = perkie("cache", "purge", "--expired")
    assert (done.returncode, done.stderr) == (0, "nothing to remove\n")


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_get_copies_an_object_out(
    perkie_here: Perkie, tmp_path: Path, request: pytest.FixtureRequest, where: str
) -> None:
    env: dict[str, str] = request.getfixturevalue("bucket") if where == "bucket" else {}
    draw(perkie_here, env, "--customer", "42")
    rows = envelope(perkie_here("cache", "inspect", "--json", env=env))["results"]
    for row in rows:
        folder, _, name = row["key"].rpartition("/")
        short = f"{folder}/{name[:8]}…_{name.partition('_')[2]}"
        for typed in (row["key"], short):
            copied = envelope(perkie_here("cache", "get", typed, "-o", "got/", "--force", "--json", env=env))[
                "results"
            ][0]
            data = (tmp_path / copied["output"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == row["sha256"] == copied["sha256"]
    assert perkie_here("cache", "get", rows[0]["key"], "-o", copied["output"], env=env).returncode == 3, "it exists"
    several = perkie_here("cache", "get", rows[0]["key"].rpartition("/")[2], env=env)
    assert (several.returncode, "2 keys look like" in several.stderr) == (3, True), several.stderr
    gone = perkie_here("cache", "get", "shared/aa/nosuch.jpg", env=env)
    assert (gone.returncode, "is not in the cache" in gone.stderr) == (3, True)


def test_inspect_fits_a_terminal_and_its_names_can_be_fetched(perkie: Perkie, tmp_path: Path) -> None:
    draw(perkie, {}, "--customer", "42")
    command = shlex.join([sys.executable, "-m", "perkie_cli", "cache", "inspect", "--customer", "42"])
    typed = ["script", "-qec", f"stty cols 80; {command}", "/dev/null"]
    shown = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    lines = shown.stdout.splitlines()
    assert lines[0] == "generated/customers/42/"
    assert max(map(len, lines)) <= 80
    (name,) = [line.split()[-1] for line in lines[1:] if line]
    assert perkie("cache", "get", f"{lines[0]}{name}", "-o", "it.jpg").returncode == 0
    assert (tmp_path / "it.jpg").read_bytes().startswith(b"\xff\xd8")


def test_a_limit_of_the_cache_is_told_once(perkie_here: Perkie) -> None:
    env = {"PERKIE_CACHE_MAX_SIZE": "60kB"}
    done = perkie_here("stylize", CAT, "-s", "all", "--size", "256", "--out-dir", "out", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cache.max_size (58.6 KiB)") == 1, done.stderr
    assert envelope(perkie_here("cache", "stats", "--json", env=env))["summary"]["bytes"] <= 60_000
    assert "58.6 KiB" in perkie_here("cache", "stats", env=env).stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("cache", "purge", "--yes"), 2, "no filter was given"),
        (("cache", "stats", "--older-than", "yesterday"), 3, "not a duration"),
        (("cache", "stats", "--larger-than", "big"), 3, "not a size"),
        (("cache", "stats", "--hash", "xyz"), 3, "not the hash"),
        (("cache", "stats", "--hash", "ABCDEF"), 3, "'abcdef' is not the hash"),
        (("cache", "stats", "--customer", "../etc"), 3, "not valid"),
        (("cache", "stats", "--customer", "1", "--session", "2"), 2, "exclude"),
        (("cache", "stats", "--style", "ink_wsh"), 3, "ink_wash"),
        (("lifecycle", "diff"), 3, "no bucket is set"),
        (("lifecycle", "diff", "--bucket", "../pets"), 3, "not the name of a bucket"),
        (("lifecycle", "show", "--file", "absent.json"), 3, "absent.json cannot be read: No such file or directory\n"),
        (("lifecycle", "show", "--file", "rules.json", "--bucket", BUCKET), 2, "exclude"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_a_sentence(perkie_here: Perkie, args: tuple[str, ...], code: int, words: str) -> None:
    done = perkie_here(*args)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_lifecycle_is_applied_once_and_drift_shows(perkie_here: Perkie, bucket: dict[str, str]) -> None:
    def lifecycle(*words: str) -> subprocess.CompletedProcess[str]:
        return perkie_here("lifecycle", *words, env=bucket)

    assert lifecycle("diff").returncode == 8
    assert lifecycle("apply", "--check").returncode == 8
    assert lifecycle("apply", "--dry-run").returncode == 0
    assert lifecycle("apply").returncode == 2
    applied = lifecycle("apply", "--yes", "--json")
    assert (applied.returncode, envelope(applied)["summary"]["changed"]) == (0, True)
    again = lifecycle("apply", "--yes", "--json")
    assert (again.returncode, envelope(again)["summary"]["changed"]) == (0, False)
    assert lifecycle("diff").stdout == "the bucket already has these rules\n"
    assert "cutouts/" in lifecycle("show", "--bucket", BUCKET).stdout
    by_hand: dict[str, Any] = {
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["shared/"]}}]}
    }
    requests.patch(f"{bucket['STORAGE_EMULATOR_HOST']}/storage/v1/b/{BUCKET}", json=by_hand, timeout=60)
    drift = lifecycle("apply", "--check")
    assert drift.returncode == 8
    assert "- Delete shared/ 3 days after creation" in drift.stdout


def test_what_rules_set_by_hand_are_about_to_delete_is_told(
    perkie_here: Perkie, bucket: dict[str, str], home: Path
) -> None:
    draw(perkie_here, bucket, "--customer", "42")
    by_hand: dict[str, Any] = {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}}
    requests.patch(f"{bucket['STORAGE_EMULATOR_HOST']}/storage/v1/b/{BUCKET}", json=by_hand, timeout=60)
    drift = perkie_here("lifecycle", "diff", env=bucket)
    assert drift.returncode == 8
    assert "the bucket's rules delete within a day: 1 of generated/customers" in drift.stdout
    assert "no object would be deleted now by the new rules" in drift.stdout
    assert perkie_here("lifecycle", "apply", "--yes", env=bucket).returncode == 0
    (audit,) = [json.loads(line) for line in (home / "state/perkie/audit.jsonl").read_text().splitlines()]
    assert json.loads(audit["before"]) == by_hand["lifecycle"]["rule"], "so that they can be put back"
    assert {"type": "Delete"} in [rule["action"] for rule in json.loads(audit["after"])]


def test_a_protected_bucket_needs_its_name(perkie_here: Perkie, bucket: dict[str, str]) -> None:
    env = {**bucket, "PERKIE_CACHE_PROTECTED_BUCKETS": f"gs://{BUCKET}"}
    draw(perkie_here, env)
    for words in (("lifecycle", "apply"), ("cache", "purge", "--prefix", "shared/")):
        for extra in ((), ("--i-know-this-is-protected", "other")):
            done = perkie_here(*words, "--yes", *extra, env=env)
            assert done.returncode == 3
            assert "protected bucket; nothing was changed" in done.stderr
        assert perkie_here(*words, "--yes", "--i-know-this-is-protected", BUCKET, env=env).returncode == 0


def test_an_absent_bucket_is_a_sentence(perkie_here: Perkie, bucket: dict[str, str]) -> None:
    for words in (("cache", "stats"), ("lifecycle", "diff")):
        done = perkie_here(*words, env={**bucket, "PERKIE_CACHE_BUCKET": "absent"})
        assert done.returncode == 3
        assert "bucket gs://absent does not exist" in done.stderr


def test_missing_credentials_say_what_to_run(perkie: Perkie) -> None:
    env = {"PERKIE_CACHE_STORE": "gcs", "PERKIE_CACHE_BUCKET": BUCKET, "NO_GCE_CHECK": "true"}
    done = perkie("cache", "stats", env=env)
    assert done.returncode == 4
    assert "gcloud auth application-default login" in done.stderr
