"""``--self``: the emulators and a server that uses them, each in a process of its own, gone with the block."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from perkie_cli.loadtest.hosting.interrupts import undisturbed
from perkie_cli.loadtest.hosting.processes import PERKIE, Process

BUCKET = "perkie-load-test"
PROJECT = "perkie-load-test"
NAMES = ("gemini", "storage", "firestore", "server")


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
        process = self.processes[name] = Process(name, [*PERKIE, *arguments], environ, self.home)
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
