"""``perkie keys``, and a server that follows the file: change a key without an outage, and revoke it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import Perkie
from tests.e2e.test_quota import records
from tests.serving import ServerProcess, perkie_serve


def created(perkie: Perkie, file: Path, name: str, *more: str) -> str:
    done = perkie("keys", "create", name, "--scope", "generate", "--file", str(file), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def listed(perkie: Perkie, file: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(perkie("keys", "list", "--file", str(file), "--json").stdout)["results"]
    return rows


def comes_true(condition: Callable[[], bool], said: str) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(said)


def status(server: ServerProcess, key: str) -> int:
    return httpx.get(f"{server.url}/api/v1/quota", headers={"X-API-Key": key}, timeout=60).status_code


def test_a_key_is_changed_without_an_outage(perkie_here: Perkie, home: Path) -> None:
    file = home / "keys.toml"
    old = created(perkie_here, file, "storefront")
    env = {
        "PERKIE_HTTP_API_KEYS": str(file),
        "PERKIE_HTTP_LINK_SECRET": "x" * 32,
        "XDG_STATE_HOME": str(home / "state"),  # the commands' own
    }
    with perkie_serve(home, "--auth", "api-key", env=env) as server:
        assert status(server, old) == 200
        new = created(perkie_here, file, "storefront")
        comes_true(lambda: status(server, new) == 200, "nobody sent a signal, and the file was read again")
        assert status(server, old) == 200, "two are valid at a time"
        comes_true(lambda: all(row.get("used") for row in listed(perkie_here, file)), "both uses are noted")
        first = listed(perkie_here, file)[0]["id"]
        revoked = perkie_here("keys", "revoke", "storefront", "--id", first, "--yes", "--file", str(file))
        assert revoked.returncode == 0, revoked.stderr
        comes_true(lambda: status(server, old) == 401, "it is revoked")
        assert status(server, new) == 200
        assert server.stop() == 0
    assert old not in server.log
    assert new not in server.log
    assert [each["action"] for each in records(home)] == ["keys.create", "keys.create", "keys.revoke"]
    assert new not in (home / "state/perkie/audit.jsonl").read_text()


def test_the_file_keeps_hashes_comments_and_its_mode(perkie: Perkie, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('# the shop\'s keys\n\n[[key]]\nname = "old"  # by hand\nsha256 = "%s"\nscopes = []\n' % ("0" * 64))
    key = created(perkie, file, "storefront", "--expires", "2999-01-01")
    text = file.read_text()
    assert key.startswith("pk_")
    assert key not in text
    assert "# the shop's keys" in text
    assert 'name = "old"  # by hand' in text
    assert file.stat().st_mode & 0o777 == 0o600
    assert perkie("keys", "revoke", "old", "--yes", "--file", str(file)).returncode == 0
    assert [row["name"] for row in listed(perkie, file)] == ["storefront"]
    assert "2999-01-01" in perkie("keys", "list", "--file", str(file)).stdout


def test_keys_made_at_once_are_all_there(perkie: Perkie, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda number: created(perkie, file, f"client{number}"), range(4)))
    assert len(keys) == 4
    assert {row["name"] for row in listed(perkie, file)} == {f"client{number}" for number in range(4)}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "a", "--scope", "everything"], 3, "unknown scope 'everything'"),
        (["create", "a\x1b", "--scope", "generate"], 3, "cannot name a key"),
        (["create", "a", "--scope", "generate", "--expires", "soon"], 3, "neither a duration"),
        (["create", "a", "--scope", "generate", "--expires", "2001-01-01"], 3, "in the past"),
        (["create", "twice", "--scope", "generate"], 2, "already has 2 valid keys"),
        (["revoke", "nobody", "--yes"], 3, "no key 'nobody'"),
        (["revoke", "twice", "--yes"], 2, "--id"),
        (["revoke", "once"], 2, "--yes"),
    ],
)
def test_bad_input_changes_nothing(perkie_here: Perkie, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(
        "".join(
            f'[[key]]\nname = "{name}"\nsha256 = "{digit * 64}"\nscopes = ["generate"]\n'
            for name, digit in [("twice", "1"), ("twice", "2"), ("once", "3")]
        )
    )
    before = file.read_bytes()
    done = perkie_here("keys", *words, "--file", str(file))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert file.read_bytes() == before


def test_a_broken_or_missing_file_is_named(perkie_here: Perkie, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    for words in (["list"], ["revoke", "a", "--yes"]):
        done = perkie_here("keys", *words, "--file", str(file))
        assert (done.returncode, str(file) in done.stderr) == (3, True), done.stderr
    file.write_text("[[key]\n")
    for words in (["list"], ["create", "a", "--scope", "generate"]):
        done = perkie_here("keys", *words, "--file", str(file))
        assert (done.returncode, str(file) in done.stderr) == (3, True), done.stderr
    assert file.read_text() == "[[key]\n"
    without = perkie_here("keys", "list")
    assert (without.returncode, "http.api_keys" in without.stderr) == (2, True)


def test_a_mounted_secret_is_read_again(home: Path) -> None:
    """As Cloud Run and Kubernetes change one: behind a link, whole."""
    import jwt

    mount, secrets_ = home / "run", ["a" * 32, "b" * 32]
    for number, secret in enumerate(secrets_):
        (mount / f"v{number}").mkdir(parents=True)
        (mount / f"v{number}" / "jwt").write_text(secret + "\n")
    (mount / "now").symlink_to("v0")
    env = {"PERKIE_HTTP_JWT_SECRET": f"file://{mount}/now/jwt", "PERKIE_HTTP_LINK_SECRET": "x" * 32}
    with perkie_serve(home, "--auth", "jwt", env=env) as server:
        claims = {"sub": "42", "iat": time.time(), "exp": time.time() + 600, "aud": "perkie"}
        old, new = (jwt.encode(claims, secret) for secret in secrets_)

        def allowed(token: str) -> bool:
            answer = httpx.get(f"{server.url}/api/v1/quota", headers={"Authorization": f"Bearer {token}"}, timeout=60)
            return answer.status_code == 200

        assert (allowed(old), allowed(new)) == (True, False)
        (mount / "next").symlink_to("v1")
        (mount / "next").replace(mount / "now")
        comes_true(lambda: allowed(new), "the new secret is in force")
        assert not allowed(old)
        assert server.stop() == 0
