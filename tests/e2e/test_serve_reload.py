"""SIGHUP reads keys again: for new requests, at once, and without dropping one in flight."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.serving import ServerProcess, perkie_serve

KEYS = {"storefront": "the first key", "office": "the second key"}


def write(path: Path, *names: str) -> None:
    """As an editor or a secret mount does: whole, by a rename."""
    aside = path.with_suffix(".new")
    aside.write_text(
        "".join(
            f'[[key]]\nname = "{name}"\nsha256 = "{hashlib.sha256(KEYS[name].encode()).hexdigest()}"\n'
            'scopes = ["generate"]\n'
            for name in names
        )
    )
    aside.replace(path)


def status(server: ServerProcess, name: str) -> int:
    return httpx.get(f"{server.url}/api/v1/quota", headers={"X-API-Key": KEYS[name]}, timeout=60).status_code


def hang_up(server: ServerProcess, said: str) -> None:
    before = server.log.count(said)
    os.kill(server.process.pid, signal.SIGHUP)
    for _ in range(600):
        if server.log.count(said) > before:
            return
        time.sleep(0.05)
    raise AssertionError(f"{said!r} was not said:\n{server.log}")


def test_keys_are_read_again_without_dropping_work(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    write(keys, "storefront")
    env = {"PERKIE_HTTP_API_KEYS": str(keys), "PERKIE_HTTP_LINK_SECRET": "x" * 32}
    with perkie_serve(tmp_path, "--auth", "api-key", env=env) as server:
        assert (status(server, "storefront"), status(server, "office")) == (200, 401)
        go_on, answers = threading.Event(), []

        def slowly() -> None:
            """A request whose body is still on its way when its key is revoked."""

            def body() -> Iterator[bytes]:
                yield b'{"style": "ink_wash", '
                go_on.wait(60)
                yield b'"session_id": "s1"}'

            headers = {"X-API-Key": KEYS["storefront"], "Content-Type": "application/json"}
            url = f"{server.url}/api/v1/generate"
            answers.append(httpx.post(url, content=body(), headers=headers, timeout=60).status_code)

        sending = threading.Thread(target=slowly)
        sending.start()
        time.sleep(0.5)
        write(keys, "office")
        hang_up(server, "credentials were read again; API keys: office")
        assert (status(server, "storefront"), status(server, "office")) == (401, 200)
        go_on.set()
        sending.join(60)
        assert answers == [422], "the request in flight got its own answer: no photo in it"

        keys.write_text("[[key]\n")
        hang_up(server, "the credentials in force stay, the new ones cannot be used: API key file")
        assert (status(server, "storefront"), status(server, "office")) == (401, 200)
        keys.unlink()
        hang_up(server, "No such file or directory")
        assert status(server, "office") == 200
        assert server.stop() == 0
