"""Processes under test: started, watched through their log, hurt on purpose, and never left behind."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

from perkie_cli.domain.errors import Unavailable

PERKIE = (sys.executable, "-m", "perkie_cli", "--config", os.devnull)
START_WITHIN = 60.0  # seconds
STOP_WITHIN = 20.0
_POLL = 0.02
_LISTENING = re.compile(r"listening on (http://\S+)")
_ADDRESS = {
    "gemini": re.compile(r"^(http://\S+)$", re.MULTILINE),
    "storage": re.compile(r"^STORAGE_EMULATOR_HOST=(\S+)$", re.MULTILINE),
    "firestore": re.compile(r"^FIRESTORE_EMULATOR_HOST=(\S+)$", re.MULTILINE),
}  # of others: ``_LISTENING``
_ADMIN = re.compile(r"(http://\S+)/_emulator/plan")
_SHOWN = 2000  # characters of a log in an error
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class Process:
    """One process in a session of its own, so that Ctrl-C does not reach it; it ends with this one, even if that is
    killed. It keeps its ports when it is started again. ``url`` is its address (of Firestore: host:port).
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.environ = environ
        self.port = 0
        self.url = ""
        self.began = 0.0  # on the monotonic clock
        self._command, self._file = command, folder / f"{name}.log"
        self._admin_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._resume: threading.Timer | None = None

    def begin(self) -> None:
        """Starts it, without waiting."""
        ports = ["--port", str(self.port)]
        if self.name == "firestore":
            ports += ["--admin-port", str(self._admin_port)]
        self.began = time.monotonic()
        with self._file.open("wb") as log:
            popen = partial(
                subprocess.Popen[bytes],
                [*self._command, *ports],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environ,
                cwd=self._file.parent,
                start_new_session=True,
                preexec_fn=_death_binder(),
            )
            started: subprocess.Popen[bytes] = _launcher().submit(popen).result()  # type: ignore[assignment]
        self._process = started

    def await_address(self) -> None:
        """Waits until it listens. Raises: Unavailable."""
        until = time.monotonic() + START_WITHIN
        wanted = _ADDRESS.get(self.name, _LISTENING)
        while (found := wanted.search(self.log)) is None or not self._has_admin():
            if not self.running or time.monotonic() > until:
                self.kill()
                raise Unavailable(f"{self.name} did not start", hint=self.log[-_SHOWN:].strip())
            time.sleep(_POLL)
        self.url = found[1]
        self.port = int(self.url.rpartition(":")[2])
        self._admin_port = int(self.admin.rpartition(":")[2])

    def _has_admin(self) -> bool:
        return self.name != "firestore" or _ADMIN.search(self.log) is not None

    def start(self) -> None:
        """Starts it and waits until it listens. Raises: Unavailable."""
        self.begin()
        self.await_address()

    @property
    def log(self) -> str:
        """What it wrote since its last start."""
        return self._file.read_text("utf-8", errors="replace") if self._file.exists() else ""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process; 0 when it never ran."""
        return self._process.pid if self._process is not None else 0

    @property
    def admin(self) -> str:
        """The base address of an emulator's admin API; of a server, its address."""
        if self.name != "firestore":
            return self.url
        if (found := _ADMIN.search(self.log)) is not None:
            return found[1]
        return f"http://127.0.0.1:{self._admin_port}"  # before it tells so again

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, to a process that runs."""
        if self.running:
            os.kill(self.pid, number)

    def pause(self, seconds: float) -> None:
        """Stops it for that long, or until ``resume``."""
        self.send(signal.SIGSTOP)
        self._resume = threading.Timer(seconds, self.send, (signal.SIGCONT,))
        self._resume.daemon = True
        self._resume.start()

    def resume(self) -> None:
        """Lets it run on."""
        if self._resume is not None:
            self._resume.cancel()
        self.send(signal.SIGCONT)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, minus the signal's number if one ended it; None when it does not end in time."""
        if self._process is None:
            return None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, within: float = STOP_WITHIN) -> int:
        """SIGTERM, and after ``within`` seconds SIGKILL. Returns the exit code."""
        self.send(signal.SIGTERM)
        self.resume()  # a stopped process would not notice
        return self._end(within)

    def kill(self) -> int:
        """SIGKILL. Returns the exit code."""
        self.send(signal.SIGKILL)
        return self._end(STOP_WITHIN)

    def _end(self, within: float) -> int:
        code = self.wait(within)
        if code is None and self._process is not None:
            self._process.kill()
            code = self._process.wait()
        return code or 0


@cache
def _launcher() -> ThreadPoolExecutor:
    """One thread that starts all processes, and stays: the kernel ends them when the thread that started them ends."""
    return ThreadPoolExecutor(1)


@cache
def _death_binder() -> Callable[[], None] | None:
    """Ties a process to its parent, where the kernel can."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_DIE_WITH_PARENT, signal.SIGKILL)
