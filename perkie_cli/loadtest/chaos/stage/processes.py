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
from functools import partial
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import Unavailable

START_WITHIN = 60.0  # seconds
END_WITHIN = 20.0  # seconds
_LAST = 2000  # characters of a log in an error
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class DidNotHappen(Exception):
    """An action that could not do what it says."""


class Launcher:
    """Starts processes that the kernel kills when this one ends, however it ends.

    It does so when the thread that started them ends: so one thread starts all, and stays.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._bind = _death_binder()

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Starts a process in a session of its own: Ctrl-C in a terminal is not for it."""
        popen = partial(subprocess.Popen[bytes], start_new_session=True, preexec_fn=self._bind, **options)
        started: subprocess.Popen[bytes] = self._thread.submit(popen, command).result()  # type: ignore[assignment]
        return started


def _death_binder() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(_DIE_WITH_PARENT, signal.SIGKILL)


class Process:
    """One process under test. ``found``: what its log said when it was ready, by the names in ``ready``."""

    def __init__(
        self,
        name: str,
        command: Callable[[Mapping[str, str]], Sequence[str]],
        ready: Sequence[str],
        *,
        launcher: Launcher,
        folder: Path,
        env: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.found: dict[str, str] = {}
        self._command, self._ready = command, [re.compile(each, re.MULTILINE) for each in ready]
        self._launcher, self._folder, self.env = launcher, folder, env
        self._process: subprocess.Popen[bytes] | None = None
        self._resume: threading.Timer | None = None

    @property
    def pid(self) -> int:
        """Its process id. Raises: DidNotHappen when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise DidNotHappen(f"{self.name} does not run")
        return self._process.pid

    def start(self) -> None:
        """Starts it, where it ran before, and waits until it is ready.

        Raises: DidNotHappen when it runs already, Unavailable when it does not get ready.
        """
        if self._process is not None and self._process.poll() is None:
            raise DidNotHappen(f"{self.name} runs already")
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = self._launcher.start(
                self._command(self.found), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                cwd=self._folder,
            )  # fmt: skip
        self._wait_until_ready(begin)

    def _wait_until_ready(self, begin: int) -> None:
        assert self._process is not None
        ends = time.monotonic() + START_WITHIN
        while time.monotonic() < ends:
            said = self.log.read_bytes()[begin:].decode(errors="replace")
            matches = [each.search(said) for each in self._ready]
            if all(matches):
                self.found |= {name: text for match in matches if match for name, text in match.groupdict().items()}
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.end()
        raise Unavailable(f"{self.name} did not start", hint=self.log.read_text("utf-8", "replace")[-_LAST:].strip())

    def send(self, number: signal.Signals) -> None:
        """Sends a signal. Raises: DidNotHappen when it does not run."""
        os.kill(self.pid, number)

    def pause(self, seconds: float) -> None:
        """Stops it for that long, or until ``resume``. Raises: DidNotHappen when it does not run."""
        self.send(signal.SIGSTOP)
        self._resume = threading.Timer(seconds, self._continue)
        self._resume.daemon = True
        self._resume.start()

    def resume(self) -> None:
        """Lets it run on."""
        if self._resume is not None:
            self._resume.cancel()
        self._continue()

    def _continue(self) -> None:
        if self.runs:
            self.send(signal.SIGCONT)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Its exit code; minus the signal's number if one ended it. Raises: DidNotHappen when it does not end."""
        if self._process is None:
            raise DidNotHappen(f"{self.name} was not started")
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DidNotHappen(f"{self.name} did not end within {seconds:g} s") from None

    def end(self) -> None:
        """Ends it, if need be with SIGKILL."""
        if self._process is None or not self.runs:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
