"""Run as a process by test_blobs_disk: works on a disk store until it is done or killed.

``python -m tests.contract.disk_writer ROOT race BYTE``: waits for a line on stdin, creates one object of that byte,
prints whether it won. ``… ROOT churn SEED``: prints a line, then creates, overwrites and deletes for ever.
``… ROOT limited``: may write files of 100 kB at most, as on a full disk; puts 1 MB and prints the outcome.
"""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import sys
from pathlib import Path

from perkie_cli.clock import SystemClock
from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.stores.blobs_disk import DiskBlobs
from perkie_cli.workers import thread_workers

RACE_KEY = "shared/ab/race.jpg"


async def race(store: DiskBlobs, byte: str) -> None:
    await store.ping()
    print("ready", flush=True)
    sys.stdin.readline()
    won = await store.put(RACE_KEY, bytes([int(byte)]) * 200_000, content_type="image/jpeg", metadata={})
    print(won, flush=True)


async def churn(store: DiskBlobs, seed: str) -> None:
    dice = random.Random(int(seed))
    await store.ping()
    print("ready", flush=True)
    while True:
        area = dice.choice(["originals/customers/1", "generated/customers/1", "shared/ab"])
        key = f"{area}/{dice.randrange(40)}.jpg"
        if dice.random() < 0.25:
            await store.delete(key)
        else:
            data = dice.randbytes(dice.randrange(1, 60_000))
            await store.put(key, data, content_type="image/jpeg", metadata={"n": "1"}, overwrite=dice.random() < 0.5)


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
    store = DiskBlobs(Path(root), SystemClock(), thread_workers(2))
    await {"race": race, "churn": churn, "limited": limited}[mode](store, *rest)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
