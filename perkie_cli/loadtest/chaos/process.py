"""An experiment in a process of its own, since Chaos Toolkit needs the main thread, signals and logging for itself.

The parent passes each Ctrl-C and SIGTERM on and waits; the child decides. If the parent is killed, the child puts
things right and ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

from perkie_cli.domain import errors
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.chaos.document.check import check_experiment
from perkie_cli.loadtest.chaos.document.providers import PROVIDERS
from perkie_cli.loadtest.chaos.document.source import read_experiment
from perkie_cli.loadtest.chaos.shield import Shield
from perkie_cli.loadtest.chaos.verdict import EXTENSION_KEY, Finding, Verdict, judge, verdict_of

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@frozen
class Job:
    """What to run. ``server``: the command of the server under test, instead of `perkie serve`."""

    experiment: str
    allowed: tuple[str, ...] = ()
    server: str | None = None


@frozen
class Outcome:
    """The verdict, what led to it, and Chaos Toolkit's journal. ``name``: of the file, without its ending."""

    name: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    journal: dict[str, Any] = field(repr=False)

    @property
    def title(self) -> str:
        """The experiment's."""
        return str(self.journal["experiment"]["title"])

    @property
    def started(self) -> str:
        """ISO 8601, in UTC."""
        return str(self.journal["start"])

    @property
    def seconds(self) -> float:
        """How long it ran, without the start and end of what it ran against."""
        return round(float(self.journal.get("duration", 0.0)), 3)


# ---------------------------------------------------------------- the parent


def run_experiment(job: Job, say: Callable[[str], None]) -> Outcome:
    """Runs the job in a child and waits for it; ``say`` gets a line for each thing that happens.

    Raises: BadInput for a wrong experiment, before anything is started; Unavailable when something does not start.
    """
    here = [] if "python" in job.allowed else ["-P"]  # modules of the current folder only for who may run any
    command = [sys.executable, *here, "-m", "perkie_cli.loadtest.chaos.process"]
    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with _forwarding(child):
        with suppress(BrokenPipeError):  # it has died already, which its exit code will tell
            child.stdin.write(json.dumps(asdict(job)) + "\n")  # stays open: its end tells the child that we have died
            child.stdin.flush()
        result: dict[str, Any] = {}
        for line in child.stdout:
            message = json.loads(line)
            if "say" in message:
                say(message["say"])
            else:
                result = message
        child.wait()
    if "error" in result:
        raise _error(result["error"])
    if "verdict" not in result:
        raise errors.PerkieError(f"the experiment's process ended with {child.returncode}")
    findings = [Finding(each["check"], Verdict(each["verdict"]), each["message"]) for each in result["findings"]]
    return Outcome(Path(job.experiment).stem, Verdict(result["verdict"]), tuple(findings), result["journal"])


@contextmanager
def _forwarding(child: subprocess.Popen[str]) -> Iterator[None]:
    """Passes signals on; later ones are ignored, since this process has only to report, and then ends."""

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        child.send_signal(number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    try:
        yield
    finally:
        for number in _FORWARDED:
            signal.signal(number, signal.SIG_IGN)


def _error(fields: dict[str, Any]) -> PerkieError:
    kind = getattr(errors, fields["kind"], PerkieError)
    made: PerkieError = kind(fields["message"], hint=fields["hint"])
    return made


# ---------------------------------------------------------------- the child


class _Messages:
    """Lines to the parent. What actions and probes print goes to stderr instead."""

    def __init__(self) -> None:
        self._pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def send(self, message: dict[str, Any]) -> None:
        """Sends; if the parent has died, there is nobody to tell, but the rollbacks go on."""
        with suppress(BrokenPipeError):
            self._pipe.write(json.dumps(message, default=_plain, skipkeys=True) + "\n")
            self._pipe.flush()

    def say(self, text: str) -> None:
        """A remark for people."""
        self.send({"say": text})


def main() -> None:
    """Reads the job from stdin, and sends messages to stdout."""
    shield, messages = Shield(), _Messages()
    for name in ("NO_PROXY", "no_proxy"):  # for Chaos Toolkit's HTTP calls: no proxy reaches this machine's loopback
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost", "::1")))
    with shield.installed():
        fields = json.loads(sys.stdin.readline())
        threading.Thread(target=_interrupt_without_parent, daemon=True).start()
        job = Job(fields["experiment"], tuple(fields["allowed"]), fields["server"])
        try:
            messages.send(_run(job, shield, messages.say))
        except PerkieError as error:
            messages.send({"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}})


def _interrupt_without_parent() -> None:
    sys.stdin.read()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)  # it may be asleep, and must wake up


def _run(job: Job, shield: Shield, say: Callable[[str], None]) -> dict[str, Any]:
    from perkie_cli.loadtest.chaos.faults import look_at_faults
    from perkie_cli.loadtest.chaos.run import run
    from perkie_cli.loadtest.chaos.stage.stage import staged

    source = read_experiment(job.experiment)
    plan = check_experiment(source, frozenset(job.allowed) & set(PROVIDERS))
    with ExitStack() as stack:
        addresses: dict[str, str] = {}
        if plan is not None:
            say(f"starting {', '.join(plan.processes)}")
            addresses = stack.enter_context(staged(plan, job.server)).addresses
        journal = run(source.document, addresses, shield, say)
        findings = judge(journal, look_at_faults(), shield.received)
    journal[EXTENSION_KEY] |= {"findings": [asdict(each) for each in findings], "signals": shield.received}
    verdict = verdict_of(findings)
    journal[EXTENSION_KEY]["verdict"] = verdict
    return {"verdict": verdict, "findings": [asdict(each) for each in findings], "journal": journal}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value)


if __name__ == "__main__":
    main()
