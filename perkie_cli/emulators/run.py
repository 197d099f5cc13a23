"""Makes emulators from command-line options, and runs them until they are stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from perkie_cli.domain.errors import InvalidParameter, MissingExtra, UsageError
from perkie_cli.domain.storage.protection import bucket_name
from perkie_cli.emulators.fault_plan import parse_faults, read_plan
from perkie_cli.ports import Clock

if TYPE_CHECKING:
    import ssl

    from perkie_cli.domain.money.price_list import ModelCatalogue
    from perkie_cli.emulators.cloud_run.server import RunEmulator
    from perkie_cli.emulators.firestore.server import FirestoreEmulator
    from perkie_cli.emulators.gemini.painter import Painter
    from perkie_cli.emulators.gemini.server import GeminiEmulator
    from perkie_cli.emulators.iam.server import IamEmulator
    from perkie_cli.emulators.monitoring.server import MonitoringEmulator
    from perkie_cli.emulators.storage.server import StorageEmulator


class Emulator(Protocol):
    """A server that runs until it is interrupted."""

    async def start(self) -> None:
        """Starts the server. Raises: OSError when the address cannot be used."""

    async def aclose(self) -> None:
        """Drops every connection."""


def make_storage(
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    buckets: Sequence[str] = (),
    plan: Path | None = None,
    seed: int = 0,
    signing_keys: Sequence[Path] = (),
    tls: ssl.SSLContext | None = None,
) -> StorageEmulator:
    """Cloud Storage with empty ``buckets``. Raises: BadInput for a wrong file or name."""
    from perkie_cli.emulators.storage.faults import StorageFault
    from perkie_cli.emulators.storage.server import StorageEmulator
    from perkie_cli.emulators.storage.signing import load_key

    faults = parse_faults(read_plan(plan), StorageFault) if plan is not None else ()
    keys = dict(map(load_key, signing_keys))
    emulator = StorageEmulator(clock, keys=keys, plan=faults, seed=seed, host=host, port=port, tls=tls)
    for name in buckets:
        emulator.add_bucket(bucket_name(name))
    return emulator


def make_firestore(
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    admin_port: int = 0,
    transactions: str = "optimistic",
    plan: Path | None = None,
    seed: int = 0,
) -> FirestoreEmulator:
    """An empty Firestore. Raises: BadInput for a wrong plan or transaction mode."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # perkie reports a port in use itself
    from perkie_cli.emulators.firestore.database import Database, Mode
    from perkie_cli.emulators.firestore.plan import FirestoreFault
    from perkie_cli.emulators.firestore.server import FirestoreEmulator

    if transactions not in list(Mode):
        raise InvalidParameter(f"{transactions!r} is not a transaction mode", hint=f"Ways: {', '.join(Mode)}.")
    faults = parse_faults(read_plan(plan), FirestoreFault) if plan is not None else ()
    database = Database(clock, Mode(transactions))
    return FirestoreEmulator(database, clock, plan=faults, seed=seed, host=host, port=port, admin_port=admin_port)


def make_monitoring(
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    admin_port: int = 0,
    plan: Path | None = None,
    seed: int = 0,
) -> MonitoringEmulator:
    """An empty Cloud Monitoring. Raises: BadInput for a wrong plan."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # perkie reports a port in use itself
    from perkie_cli.emulators.monitoring.server import MonitoringEmulator
    from perkie_cli.emulators.rpc_faults import RpcFault

    faults = parse_faults(read_plan(plan), RpcFault) if plan is not None else ()
    return MonitoringEmulator(clock, plan=faults, seed=seed, host=host, port=port, admin_port=admin_port)


def make_cloud_run(
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    admin_port: int = 0,
    rollout: float = 0.2,
    backends: Sequence[str] = (),
    plan: Path | None = None,
    seed: int = 0,
) -> RunEmulator:
    """A Cloud Run without services. ``backends``: ``IMAGE=URL`` each; ``rollout``: seconds that a change takes.

    Raises: BadInput for a wrong plan or backend, MissingExtra.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # perkie reports a port in use itself
    if find_spec("google.cloud.run_v2") is None:
        raise MissingExtra("google-cloud-run is not installed", hint="pip install 'perkie-cli[deploy]'")
    from perkie_cli.emulators.cloud_run.plan import RunFault
    from perkie_cli.emulators.cloud_run.server import RunEmulator, parse_backends

    faults = parse_faults(read_plan(plan), RunFault) if plan is not None else ()
    return RunEmulator(
        clock,
        plan=faults,
        seed=seed,
        rollout=rollout,
        backends=parse_backends(backends),
        host=host,
        port=port,
        admin_port=admin_port,
    )


def make_iam(*, host: str = "127.0.0.1", port: int = 0) -> IamEmulator:
    """Policies that grant nothing."""
    from perkie_cli.emulators.iam.server import IamEmulator

    return IamEmulator(host=host, port=port)


def make_gemini(
    painter: Painter,
    models: ModelCatalogue,
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    plan: Path | None = None,
    seed: int = 0,
    api_key: str | None = None,
) -> GeminiEmulator:
    """The Gemini API; ``painter`` draws. Raises: BadInput for a wrong plan."""
    from perkie_cli.emulators.gemini.plan import GeminiPlan
    from perkie_cli.emulators.gemini.server import GeminiEmulator

    parsed = GeminiPlan.parse(read_plan(plan)) if plan is not None else None
    return GeminiEmulator(painter, models, clock, plan=parsed, seed=seed, api_key=api_key, host=host, port=port)


@asynccontextmanager
async def running(*emulators: Emulator) -> AsyncIterator[None]:
    """Runs the emulators for the block.

    Raises: UsageError when an address cannot be used.
    """
    async with AsyncExitStack() as stack:
        for emulator in emulators:
            stack.push_async_callback(emulator.aclose)
            try:
                await emulator.start()
            except OSError as error:
                raise UsageError(
                    f"cannot listen there: {error.strerror or error}", hint="Choose another port (0 takes a free one)."
                ) from error
        yield


async def until_interrupted() -> None:
    """Returns after SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
