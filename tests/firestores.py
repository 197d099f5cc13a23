"""Firestore for tests: our emulator on a thread of its own, and Google's where it is on the machine."""

from __future__ import annotations

import functools
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from perkie_cli.emulators.firestore.database import Database, Mode
from perkie_cli.emulators.firestore.server import FirestoreEmulator
from perkie_cli.system.clock import SystemClock
from tests.emulators import on_a_thread

JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"


def emulator_thread(mode: Mode = Mode.OPTIMISTIC, **options: Any) -> AbstractContextManager[FirestoreEmulator]:
    """The emulator in an event loop of its own: each test has another one."""
    return on_a_thread(FirestoreEmulator(Database(SystemClock(), mode), SystemClock(), **options))


@functools.cache
def google_jar() -> Path | str:
    """The jar of Google's emulator, or why there is none."""
    if shutil.which("java") is None:
        return "no java on this machine"
    if shutil.which("gcloud") is None:
        return "no Google Cloud SDK on this machine"
    told = subprocess.run(
        ["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True, check=False
    )
    jar = Path(told.stdout.strip()) / JAR
    return jar if jar.is_file() else "the SDK's Firestore emulator is not installed"


@contextmanager
def google_emulator(jar: Path) -> Iterator[str]:
    """Google's own emulator as a process; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    main = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
    process = subprocess.Popen(
        ["java", "-Xmx256m", "-cp", str(jar), main, "--host=127.0.0.1", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Google's emulator did not start")
