"""Several emulators in one process, each with the variables that lead clients to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perkie_cli.cli.emulate.running import note, serve, tell
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of
from perkie_cli.domain.errors import MissingExtra
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.emulators.gemini.server import GeminiEmulator
    from perkie_cli.emulators.run import Emulator


@frozen
class Member:
    """``name`` is for the summary. Once it runs, ``variable`` takes its ``address``; ``more`` is set as well."""

    name: str
    emulator: Emulator
    variable: str
    address: Callable[[], str]
    more: Sequence[str] = ()


@frozen
class Ports:
    """Of Google Cloud's services."""

    storage: int
    firestore: int
    monitoring: int
    run: int
    iam: int


def serve_together(ctx: typer.Context, services: Services, members: Sequence[Member]) -> None:
    """Serves them until somebody ends it. Raises: UsageError when an address cannot be used."""

    def announce() -> None:
        for each in members:
            tell(ctx, f"{each.variable}={each.address()}", *each.more)
        note(ctx)

    asyncio.run(serve(services, [each.emulator for each in members], announce))
    finish(ctx, Report(summary={each.name: each.address() for each in members}))


def gemini_api(emulator: GeminiEmulator) -> Member:
    """The Gemini API, which takes any key."""
    return Member("gemini", emulator, "GOOGLE_GEMINI_BASE_URL", lambda: emulator.url, ["GEMINI_API_KEY=any"])


def google_cloud(
    ctx: typer.Context,
    services: Services,
    ports: Ports,
    *,
    host: str,
    buckets: Sequence[str],
    transactions: str = "optimistic",
    signing_keys: Sequence[Path] = (),
) -> Iterator[Member]:
    """Cloud Storage, Firestore, Cloud Monitoring, IAM, and Cloud Run where its library is installed."""
    from perkie_cli.emulators.run import make_cloud_run, make_firestore, make_iam, make_monitoring, make_storage

    clock = services.clock
    objects = make_storage(clock, host=host, port=ports.storage, buckets=buckets, signing_keys=signing_keys)
    yield Member("storage", objects, "STORAGE_EMULATOR_HOST", lambda: objects.url)
    documents = make_firestore(clock, host=host, port=ports.firestore, transactions=transactions)
    yield Member("firestore", documents, "FIRESTORE_EMULATOR_HOST", lambda: documents.address)
    measures = make_monitoring(clock, host=host, port=ports.monitoring)
    yield Member("monitoring", measures, "MONITORING_EMULATOR_HOST", lambda: measures.address)
    rights = make_iam(host=host, port=ports.iam)
    yield Member("iam", rights, "CLOUD_IAM_EMULATOR_HOST", lambda: rights.address)
    try:
        containers = make_cloud_run(clock, host=host, port=ports.run)
    except MissingExtra as error:  # only `perkie emulate run` insists on it
        renderer_of(ctx).say(f"without Cloud Run: {error.message} ({error.hint})")
    else:
        yield Member("run", containers, "CLOUD_RUN_EMULATOR_HOST", lambda: containers.address)
