"""Actions for experiments: faults of emulators, signals to processes, a full disk, a wrong clock, and traffic.

Each raises where it could not do what it says, so that an experiment in which nothing happened cannot pass.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

from perkie_cli.loadtest.chaos.document.arguments import leased, seconds_of
from perkie_cli.loadtest.chaos.document.plan import TARGET
from perkie_cli.loadtest.chaos.stage import emulators
from perkie_cli.loadtest.chaos.stage.emulators import CLOCK, PLAN
from perkie_cli.loadtest.chaos.stage.ledger import Answer, Order
from perkie_cli.loadtest.chaos.stage.shop import Job
from perkie_cli.loadtest.chaos.stage.stage import DidNotHappen, current, record
from perkie_cli.loadtest.hosting.processes import Process

__all__ = [
    "clear_faults",
    "fill_disk",
    "finish_traffic",
    "free_disk",
    "kill",
    "pause",
    "restart",
    "resume",
    "set_clock",
    "set_faults",
    "start",
    "start_traffic",
    "terminate",
    "wait",
]


def set_faults(emulator: str, faults: dict[str, Any]) -> dict[str, Any]:
    """Makes an emulator fail. ``faults`` is a fault plan with a lease: ``{"for": "60s", "fault": [{…}]}``."""
    leased(faults)
    url = record.url(emulator)
    if url in record.planned:
        record.replaced.append((emulator, emulators.call(url, "GET", PLAN)["met"]))
    shown = emulators.call(url, "PUT", PLAN, faults)
    record.planned[url] = emulator
    return shown


def clear_faults(emulator: str) -> dict[str, Any]:
    """Ends the faults of an emulator. Tells how many calls met them."""
    url = record.url(emulator)
    shown = emulators.call(url, "DELETE", PLAN)
    if shown["fault"]:
        raise DidNotHappen(f"{emulator} still has faults")
    return shown


def set_clock(emulator: str, clock: dict[str, Any]) -> dict[str, Any]:
    """Sets an emulator's clock wrong: ``{"offset": -300, "for": "60s"}``."""
    leased(clock)
    url = record.url(emulator)
    record.skewed[url] = emulator
    return emulators.call(url, "PUT", CLOCK, clock)


def _running(process: str) -> Process:
    """One of the experiment's processes. Raises: DidNotHappen when it does not run."""
    found = current().process(process)
    if not found.running:
        raise DidNotHappen(f"{process} does not run")
    return found


def kill(process: str) -> None:
    """Kills a process (SIGKILL) and waits for its end."""
    _running(process).kill()


def terminate(process: str) -> None:
    """Sends SIGTERM, and does not wait."""
    _running(process).send(signal.SIGTERM)


def pause(process: str, lease: str | float) -> None:
    """Stops a process (SIGSTOP) for that long at most."""
    _running(process).pause(seconds_of(lease))


def resume(process: str) -> None:
    """Lets a stopped process run on (SIGCONT)."""
    current().process(process).resume()


def start(process: str) -> None:
    """Starts a process that has ended, at the same address. One that runs stays as it is."""
    found = current().process(process)
    if not found.running:
        found.start()


def restart(process: str) -> None:
    """Ends a process, with SIGTERM first, and starts it again."""
    found = current().process(process)
    found.stop()
    found.start()


def fill_disk(process: str = TARGET) -> str:
    """Lets no more be written by a process. Tells how: a full disk, or a limit on file sizes."""
    stage = current()
    if stage.disk is None:
        raise DidNotHappen("this experiment has no disk of its own: its extension needs disk, such as disk: 64MiB")
    return stage.disk.fill(_running(process).pid)


def free_disk(process: str = TARGET) -> None:
    """Lets it be written again."""
    stage = current()
    if stage.disk is not None and stage.process(process).running:
        stage.disk.free(stage.process(process).pid)


def wait(seconds: str | float) -> None:
    """Lets time pass."""
    time.sleep(seconds_of(seconds))


def start_traffic(
    rate: float,
    seconds: str | float,
    repeats: int = 0,
    sessions: int = 0,
    same_photo: bool = False,
    cut_out: bool = False,
) -> dict[str, int]:
    """Asks for new pictures from a process of its own, ``rate`` a second for that long, whatever comes back.

    ``repeats``: so many pictures that the shop has drawn before, in between. ``sessions``: so many customers (0: each
    request has its own). ``same_photo``: all send one photo. ``cut_out``: without their backgrounds.
    """
    stage, ledger = current(), current().ledger
    if stage.traffic is not None:
        raise DidNotHappen("there is traffic already")
    number = max(1, round(rate * seconds_of(seconds)))
    owners = [ledger.new_session() for _ in range(sessions or number)]
    photos = [ledger.new_photo()] * number if same_photo else [ledger.new_photo() for _ in range(number)]
    orders = [
        Order(photo, owners[each % len(owners)], each / rate, cut_out=cut_out) for each, photo in enumerate(photos)
    ]
    known = ledger.known()
    if repeats and not known:
        raise DidNotHappen("nothing was drawn before that could be asked for again")
    orders += [
        replace(known[each % len(known)].order, at=each * number / rate / repeats, again=True)
        for each in range(repeats)
    ]
    stage.traffic = _start(Job(stage.url(TARGET), str(stage.pictures), orders))
    return {"new": number, "repeats": repeats}


def _start(job: Job) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "perkie_cli.loadtest.chaos.stage.shop"]
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(job.text())
    process.stdin.close()
    process.stdin = None
    return process


def finish_traffic(within: str | float = "180s") -> dict[str, int]:
    """Waits until every request of the traffic has ended, and keeps the answers for the probes."""
    stage = current()
    traffic, stage.traffic = stage.traffic, None
    if traffic is None:
        raise DidNotHappen("there is no traffic")
    try:
        said, _ = traffic.communicate(timeout=seconds_of(within))
    except subprocess.TimeoutExpired:
        traffic.kill()
        traffic.communicate()
        raise DidNotHappen(f"the traffic did not end within {within}") from None
    if traffic.returncode != 0:
        raise DidNotHappen(f"the traffic ended with {traffic.returncode}")
    answers = [Answer.read(json.loads(line)) for line in said.splitlines()]
    stage.ledger.answers += answers
    return {"answers": len(answers), "pictures": sum(answer.status == 200 for answer in answers)}
