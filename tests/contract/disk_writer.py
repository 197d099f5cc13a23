"""Run as a process by test_blobs_disk: works on a disk store until it is done or killed.

``python -m tests.contract.disk_writer ROOT race BYTE``: waits for a line on stdin, creates one object of that byte,
prints whether it won. ``… ROOT kills``: for each number on stdin a writer creates, overwrites and deletes an object,
printing each step, and kills itself before that many lines of Python; its signal is printed then, 0 for none.
``… ROOT limited``: may write files of 100 kB at most, as on a full disk; puts 1 MB and prints the outcome.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import resource
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.threads import thread_workers

RACE_KEY = "shared/ab/race.jpg"
DYING_KEY = "generated/customers/1/dying.jpg"


def sealed(data: bytes) -> bytes:
    """Tells of itself whether it is whole."""
    return hashlib.sha256(data).digest() + data


async def race(store: DiskBlobs, byte: str) -> None:
    await store.ping()
    print("ready", flush=True)
    sys.stdin.readline()
    won = await store.put(RACE_KEY, bytes([int(byte)]) * 200_000, content_type="image/jpeg", metadata={})
    print(won, flush=True)


def kills(root: str) -> None:
    """One writer after the other; a fork, since a fresh process would cost more than all that it writes."""
    for last in sys.stdin:
        if (child := os.fork()) == 0:
            asyncio.run(dying(root, int(last)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status), flush=True)


async def dying(root: str, last: int) -> None:
    """Kills itself before that line of the store's own code, and of what ``pathlib`` does for it."""
    armed, lines = False, itertools.count(1)

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        module, name = frame.f_globals["__name__"], frame.f_code.co_name
        if not module.startswith("perkie_cli.stores") and not (module == "pathlib" and name[0] != "_"):
            return None
        if armed and event == "line" and next(lines) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    store = DiskBlobs(Path(root), SystemClock(), thread_workers(2))
    await store.delete(DYING_KEY)
    armed = True
    for step in ("create", "overwrite", "delete"):
        print(step, flush=True)
        if step == "delete":
            await store.delete(DYING_KEY)
        else:
            data = sealed(step.encode() * 5000)
            await store.put(DYING_KEY, data, content_type="image/jpeg", metadata={}, overwrite=step == "overwrite")


async def limited(store: DiskBlobs) -> None:
    await store.put("shared/ab/small.jpg", b"x", content_type="image/jpeg", metadata={})
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        await store.put("shared/ab/large.jpg", b"x" * 1_000_000, content_type="image/jpeg", metadata={})
        print("written", flush=True)
    except StoreUnavailable as error:
        print(error.code, flush=True)


async def main(root: str, mode: str, *rest: str) -> None:
    modes: dict[str, Callable[..., Awaitable[None]]] = {"race": race, "limited": limited}
    store = DiskBlobs(Path(root), SystemClock(), thread_workers(2))
    await modes[mode](store, *rest)
    await store.aclose()


if __name__ == "__main__":
    kills(sys.argv[1]) if sys.argv[2] == "kills" else asyncio.run(main(*sys.argv[1:]))
