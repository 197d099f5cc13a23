"""``--self``: the emulators and a server that uses them, each in a process of its own, gone with the block."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from perkie_cli.domain.errors import Unavailable
from perkie_cli.loadtest.interrupts import undisturbed

BUCKET = "perkie-load-test"
PROJECT = "perkie-load-test"
START_WITHIN = 60.0  # seconds
STOP_WITHIN = 20.0
_POLL = 0.02
_ADDRESS = {
    "gemini": re.compile(r"^(http://\S+)$", re.MULTILINE),
    "storage": re.compile(r"^STORAGE_EMULATOR_HOST=(\S+)$", re.MULTILINE),
    "firestore": re.compile(r"^FIRESTORE_EMULATOR_HOST=(\S+)$", re.MULTILINE),
    "server": re.compile(r"listening on (http://\S+)"),
}
_ADMIN = re.compile(r"(http://\S+)/_emulator/plan")
NAMES = ("gemini", "storage", "firestore", "server")


class Process:
    """One ``perkie`` process. It keeps its port when it is started again; ``log`` is all that it wrote."""

    def __init__(self, name: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.port = 0
        self.url = ""  # of Firestore: host:port
        self.began = 0.0  # on the monotonic clock
        self._arguments, self._environ, self._file = arguments, environ, folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts it, without waiting; in a session of its own, so that Ctrl-C does not reach it."""
        command = [sys.executable, "-m", "perkie_cli", *self._arguments, "--port", str(self.port)]
        self.began = time.monotonic()
        with self._file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                start_new_session=True,
            )

    def await_address(self) -> None:
        """Waits until it listens. Raises: Unavailable."""
        until = time.monotonic() + START_WITHIN
        while (found := _ADDRESS[self.name].search(self.log)) is None:
            if not self.running or time.monotonic() > until:
                self.kill()
                raise Unavailable(f"perkie {' '.join(self._arguments[:2])} did not start: {self.log[-2000:]}")
            time.sleep(_POLL)
        self.url = found[1]
        self.port = int(self.url.rpartition(":")[2])

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
        """The base address of an emulator's admin API."""
        if self.name != "firestore":
            return self.url
        found = _ADMIN.search(self.log)
        assert found is not None, "the emulator tells its admin address when it starts"
        return found[1]

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, to a process that runs."""
        if self.running:
            os.kill(self.pid, number)

    def stop(self, within: float = STOP_WITHIN) -> int:
        """SIGTERM, and after ``within`` seconds SIGKILL. Returns the exit code."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # a stopped process would not notice
        return self._wait(within)

    def kill(self) -> int:
        """SIGKILL. Returns the exit code."""
        self.send(signal.SIGKILL)
        return self._wait(STOP_WITHIN)

    def _wait(self, within: float) -> int:
        if self._process is None:
            return 0
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


class Hosted:
    """``with Hosted() as hosted: … hosted.url``. ``processes`` by name: gemini, storage, firestore, server.

    ``environ`` adds to the server's environment, ``plan`` is the Gemini emulator's, ``picture`` how
    it draws.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        picture: str = "style",
        serve: Sequence[str] = (),
    ) -> None:
        self._stack = ExitStack()
        self._extra = dict(environ or {})
        self._plan, self._picture = plan, picture
        self._serve = ("serve", *serve)
        self.processes: dict[str, Process] = {}
        self.home = Path()

    @property
    def url(self) -> str:
        """Of the server."""
        return self.processes["server"].url

    def __enter__(self) -> Hosted:
        with ExitStack() as stack:
            self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perkie-load-")))
            own = self._own_environ()
            for name, arguments in (
                ("gemini", self._gemini()),
                ("storage", ("emulate", "storage", "--bucket", BUCKET)),
                ("firestore", ("emulate", "firestore")),
            ):
                self._add(stack, name, arguments, own).begin()
            for process in self.processes.values():
                process.await_address()
            self._add(stack, "server", self._serve, own | self._server_environ()).start()
            self._stack = stack.pop_all()
        return self

    def _add(self, stack: ExitStack, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Process:
        process = self.processes[name] = Process(name, arguments, environ, self.home)
        stack.callback(process.stop)
        return process

    def _gemini(self) -> tuple[str, ...]:
        arguments = ("emulate", "gemini", "--picture", self._picture)
        if not self._plan:
            return arguments
        file = self.home / "plan.json"
        file.write_text(json.dumps(self._plan), "utf-8")
        return (*arguments, "--plan", str(file))

    def _own_environ(self) -> dict[str, str]:
        """Nothing of the user's settings, files and credentials reaches the test, and nothing of it stays."""
        foreign = ("PERKIE_", "GOOGLE_", "GEMINI_", "XDG_", "STORAGE_EMULATOR", "FIRESTORE_EMULATOR")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        homes = {f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
        return {**clean, **homes, "HOME": str(self.home), "PERKIE_OFFLINE": "1"}

    def _server_environ(self) -> dict[str, str]:
        addresses = {name: process.url for name, process in self.processes.items()}
        return {
            "GOOGLE_GEMINI_BASE_URL": addresses["gemini"],
            "GEMINI_API_KEY": "any",
            "STORAGE_EMULATOR_HOST": addresses["storage"],
            "FIRESTORE_EMULATOR_HOST": addresses["firestore"],
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PERKIE_CACHE_STORE": "gcs",
            "PERKIE_CACHE_BUCKET": BUCKET,
            "PERKIE_QUOTA_STORE": "firestore",
            "PERKIE_GEMINI_LEDGER": "firestore",
            "PERKIE_GEMINI_DAILY_CAP_USD": "1000000",  # the emulator costs nothing
            **self._extra,
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with undisturbed():
            self._stack.close()
