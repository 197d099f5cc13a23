"""What an experiment runs against: emulators and servers as processes, in a folder of their own, and what was done."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from perkie_cli.loadtest.chaos.document.plan import ADDRESSES, MATTING, TARGET, Plan
from perkie_cli.loadtest.chaos.stage.disk import Disk, small_disk
from perkie_cli.loadtest.chaos.stage.environment import clean_environment
from perkie_cli.loadtest.chaos.stage.ledger import Ledger
from perkie_cli.loadtest.hosting.processes import PERKIE, Process

BUCKET = "pets"
_EMULATORS: Mapping[str, tuple[str, ...]] = {
    "gemini": ("--picture", "negative"),
    "storage": ("--bucket", BUCKET),
    "firestore": (),
}


class DidNotHappen(Exception):
    """An action that could not do what it says."""


@dataclass
class Stage:
    """The processes of one experiment, the traffic, and what its clients got."""

    plan: Plan
    folder: Path
    processes: dict[str, Process] = field(default_factory=dict)
    disk: Disk | None = None
    ledger: Ledger = field(default_factory=Ledger)
    traffic: subprocess.Popen[str] | None = None

    def process(self, name: str) -> Process:
        """One of its processes. Raises: DidNotHappen."""
        try:
            return self.processes[name]
        except KeyError:
            raise DidNotHappen(f"this experiment has no process {name!r}") from None

    def url(self, name: str) -> str:
        """The address of a process, or ``name`` where that is one already. Raises: DidNotHappen."""
        return name if "://" in name else self.process(name).admin

    @property
    def pictures(self) -> Path:
        """The folder of the pictures that its clients got."""
        return self.folder / "pictures"

    @property
    def addresses(self) -> dict[str, str]:
        """The values of ``${target}``, ``${gemini}`` …"""
        return {name: self.url(process) for name, process in ADDRESSES.items() if process in self.processes}


_current: list[Stage] = []  # Chaos Toolkit calls actions by name, so they have to find it


def current() -> Stage:
    """The stage of the running experiment. Raises: DidNotHappen."""
    if not _current:
        raise DidNotHappen("perkie starts nothing for this experiment: it has no extension perkie")
    return _current[-1]


@dataclass
class Record:
    """The emulators that an experiment told to fail or set wrong: what it calls them, by address.

    ``replaced``: how many calls met the faults of plans that another one has replaced.
    """

    planned: dict[str, str] = field(default_factory=dict)
    skewed: dict[str, str] = field(default_factory=dict)
    replaced: list[tuple[str, list[int]]] = field(default_factory=list)

    @staticmethod
    def url(emulator: str) -> str:
        """The address of an emulator: of the stage, or as given. Raises: DidNotHappen."""
        return emulator if "://" in emulator else current().url(emulator)


record = Record()  # of the one experiment of this process


@contextmanager
def staged(plan: Plan, server: str | None = None) -> Iterator[Stage]:
    """Starts everything, in order, and ends it. ``server``: the command of the server, instead of `perkie serve`.

    Raises: Unavailable when something does not start.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="perkie-chaos-", ignore_cleanup_errors=True)
        stage = Stage(plan, Path(stack.enter_context(temporary)))
        stage.pictures.mkdir()
        if plan.disk is not None:
            stage.disk = stack.enter_context(small_disk(stage.folder / "home", plan.disk))
        own = shlex.split(server) if server else [*PERKIE, "serve"]
        for name in plan.processes:
            process = Process(name, _command(name, own), _environment(stage, name), stage.folder)
            stage.processes[name] = process
            stack.callback(process.stop)
            process.start()
        _current.append(stage)
        stack.callback(_current.remove, stage)
        stack.callback(_stop_traffic, stage)
        yield stage


def _stop_traffic(stage: Stage) -> None:
    if stage.traffic is not None:
        stage.traffic.kill()
        stage.traffic.communicate()


def _command(name: str, server: Sequence[str]) -> Sequence[str]:
    if name in _EMULATORS:
        return [*PERKIE, "emulate", name, *_EMULATORS[name]]
    return server if name == TARGET else [*PERKIE, "serve", "--role", MATTING]


def _environment(stage: Stage, name: str) -> dict[str, str]:
    clean = clean_environment(stage.folder / "home" / name)
    if name == TARGET:
        return clean | _of_server(stage)
    return clean | ({"PERKIE_MATTING_ENGINE": "builtin"} if name == MATTING else {})


def _of_server(stage: Stage) -> dict[str, str]:
    found = {name: process.url for name, process in stage.processes.items()}
    own: dict[str, str] = {}
    if "gemini" in found:
        own |= {"GOOGLE_GEMINI_BASE_URL": found["gemini"], "GEMINI_API_KEY": "any"}
    if "storage" in found:
        own |= {"STORAGE_EMULATOR_HOST": found["storage"], "PERKIE_CACHE_STORE": "gcs"}
        own |= {"PERKIE_CACHE_BUCKET": BUCKET}
    if "firestore" in found:
        own |= {"FIRESTORE_EMULATOR_HOST": found["firestore"], "PERKIE_QUOTA_STORE": "firestore"}
        own |= {"GOOGLE_CLOUD_PROJECT": "perkie-chaos"}
    if MATTING in found:
        own |= {"PERKIE_MATTING_REMOTE_URL": found[MATTING]}
    return own | {f"PERKIE_{name.replace('.', '_').upper()}": value for name, value in stage.plan.settings.items()}
