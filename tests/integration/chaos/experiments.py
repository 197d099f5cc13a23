"""Small experiments against a real emulator, and a run of `perkie load-test chaos`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

ACTIONS, PROBES = "perkie_cli.loadtest.chaos.actions", "perkie_cli.loadtest.chaos.probes"
Json = dict[str, Any]


def action(name: str, func: str, **arguments: object) -> Json:
    provider = {"type": "python", "module": ACTIONS, "func": func, "arguments": arguments}
    return {"name": name, "type": "action", "provider": provider}


def http(name: str, url: str, tolerance: object = None, kind: str = "probe") -> Json:
    found: Json = {"name": name, "type": kind, "provider": {"type": "http", "url": url, "timeout": 5}}
    return found if tolerance is None else {**found, "tolerance": tolerance}


def program(name: str, *words: str, kind: str = "action") -> Json:
    provider = {"type": "process", "path": words[0], "arguments": list(words[1:])}
    return {"name": name, "type": kind, "provider": provider}


class Bucket:
    """A storage emulator in a process of its own: its listing of buckets is the steady state."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.listing = f"{url}/storage/v1/b?project=p"

    def plan(self, method: str = "GET") -> Json:
        request = urllib.request.Request(f"{self.url}/_emulator/plan", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: Json = json.load(answer)
        return found

    def steady(self) -> Json:
        return {"title": "it answers", "probes": [http("it lists", self.listing, 200)]}

    def hurt(self, lease: str = "10m", **fault: object) -> Json:
        faults = {"for": lease, "fault": [{"kind": "error", "first": 1, **fault}]}
        return action("hurt it", "set_faults", emulator=self.url, faults=faults)

    def heal(self) -> Json:
        return action("heal it", "clear_faults", emulator=self.url)

    def call(self) -> Json:
        return http("call it", self.listing)

    def experiment(self, method: list[Json], rollbacks: list[Json], **more: object) -> Json:
        found = {"title": "t", "description": "d", "steady-state-hypothesis": self.steady()}
        return {**found, "method": method, "rollbacks": rollbacks, **more}


@contextmanager
def bucket() -> Iterator[Bucket]:
    command = [sys.executable, "-m", "perkie_cli", "emulate", "storage", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        found = re.search(r"=(http\S+)", process.stdout.readline())
        assert found is not None
        try:
            yield Bucket(found[1])
        finally:
            process.terminate()


class ChaosRun:
    """`perkie load-test chaos FILE`, whose progress can be waited for."""

    def __init__(self, folder: Path, experiment: Json | str, *flags: str, env: dict[str, str] | None = None) -> None:
        self.journal_file = folder / "journal.json"
        if isinstance(experiment, str):
            file = experiment
        else:
            file = str(folder / "experiment.json")
            Path(file).write_text(json.dumps(experiment, indent=1))
        command = [sys.executable, "-m", "perkie_cli", "load-test", "chaos", file, *flags]
        self.process = subprocess.Popen(
            [*command, "--report", str(self.journal_file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )
        self.said: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self.said.append(line.rstrip("\n"))
                self._more.notify_all()

    def wait_for(self, text: str, within: float = 120) -> None:
        with self._more:
            came = self._more.wait_for(lambda: any(text in line for line in self.said), within)
        assert came, f"never said {text!r}: {self.said}"

    def interrupt(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            self.process.send_signal(number)

    def end(self, within: float = 280) -> tuple[int, dict[str, str]]:
        """The exit code, and the checks that did not pass with their verdict."""
        assert self.process.stdout is not None
        self.out = self.process.stdout.read()
        code = self.process.wait(within)
        self._reader.join(10)
        assert "Traceback" not in self.stderr
        return code, wrong(self.journal) if self.journal_file.exists() else {}

    @property
    def stderr(self) -> str:
        """All that it said so far."""
        return "\n".join(self.said)

    @property
    def journal(self) -> Json:
        found: Json = json.loads(self.journal_file.read_text())
        return found

    @property
    def steady_again(self) -> bool:
        """Whether the steady state was verified after the rollbacks, and met."""
        state = self.journal["x-perkie"]["steady_state_after_rollbacks"]
        return bool(state["steady_state_met"])


def wrong(journal: Json) -> dict[str, str]:
    """The checks that did not pass, with their verdict."""
    findings = journal["x-perkie"]["findings"]
    return {row["check"]: row["verdict"] for row in findings if row["verdict"] != "passed"}
