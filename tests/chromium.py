"""A page in real Chromium, driven over the DevTools protocol."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
]


class Page:
    """One tab. ``errors`` holds what its scripts threw."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.errors: list[str] = []
        self.ask("Runtime.enable")

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(message["params"]["exceptionDetails"]["text"])
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])

    def value(self, script: str) -> Any:
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script: str, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not self.value(script):
            assert time.monotonic() < until, f"{script} never held: {self.value('document.body.innerText')}"
            time.sleep(0.05)

    def choose_file(self, selector: str, file: Path) -> None:
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])


@contextmanager
def page_at(url: str) -> Iterator[Page]:
    """Opens ``url``; the browser ends with the block, and so does all that it leaves in folders."""
    with tempfile.TemporaryDirectory(prefix="perkie-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder) / "profile"
        process = subprocess.Popen(
            [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            tab = _tab(profile / "DevToolsActivePort")
            with connect(tab, max_size=None, open_timeout=60, ping_timeout=None) as socket:
                page = Page(socket)
                page.ask("Page.navigate", url=url)  # answers once the page has taken the tab
                yield page
        finally:
            process.terminate()
            process.wait(60)


def _tab(port_file: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if port_file.exists() and (port := port_file.read_text().partition("\n")[0]):
            for target in httpx.get(f"http://127.0.0.1:{port}/json", timeout=60).json():
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError("Chromium did not open a page")
