"""The connection to a Ray cluster, without what Ray would change in this process."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from perkie_cli.domain.errors import Unavailable

ANSWERS = 10.0  # seconds for a cluster's address to answer

# Ray reads these when it is imported. It would keep back some of its messages, and print them from our own thread.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


@contextmanager
def connected() -> Iterator[None]:
    """Connects to the cluster that RAY_ADDRESS names, or that runs here. Raises: Unavailable."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    with _own_stdout():
        before = signal.getsignal(signal.SIGTERM)  # Ray puts a handler of its own in place of ours
        try:
            _connect(os.environ.get("RAY_ADDRESS") or "auto")
        finally:
            signal.signal(signal.SIGTERM, before)
        try:
            yield
        finally:
            ray.shutdown()


class _WithoutRay:
    """A stream that leaves out what threads of Ray print: it has no option for that, and stdout is for data."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _own_stdout() -> Iterator[None]:
    before = sys.stdout
    sys.stdout = cast(TextIO, _WithoutRay(before))
    try:
        yield
    finally:
        sys.stdout = before


def _connect(address: str) -> None:
    import ray

    host, _, port = address.rpartition(":")
    try:
        if port.isdigit() and "://" not in address:  # Ray itself asks for minutes
            socket.create_connection((host, int(port)), ANSWERS).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="perkie")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "here" if address == "auto" else f"at {address}"
        raise Unavailable(
            f"no Ray cluster answers {where}: {str(error).partition(chr(10))[0][:200]}",
            hint="`ray start --head` starts one; RAY_ADDRESS=HOST:6379 names another one.",
        ) from error
