"""Servers as processes: `perkie serve` on a free loopback port, and where it says that it listens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

_LISTENING = re.compile(r"listening on (http://\S+)")


class ServerProcess:
    """One running server. `log` is everything that it wrote to stderr so far."""

    def __init__(self, command: list[str], env: Mapping[str, str]) -> None:
        full = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=full)
        self.log = ""
        self.url = ""
        self._said = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._said.wait(100) or not self.url:
            self.process.kill()
            raise RuntimeError(f"the server did not start:\n{self.log}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            if match := _LISTENING.search(line):
                self.url = match[1]
                self._said.set()
        self._said.set()

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 60) -> int:
        """Sends the signal and waits for the end. Returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(within)
        self._reader.join()
        return code


@contextmanager
def perkie_serve(home: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[ServerProcess]:
    """`perkie serve --port 0` with a home of its own; killed at the end if it still runs."""
    own = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    server = ServerProcess(
        [sys.executable, "-m", "perkie_cli", "serve", "--port", "0", *flags], {**own, "HOME": str(home), **(env or {})}
    )
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
