"""``perkie emulate``: local servers that speak the real protocols, for a user's own tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from perkie_cli.bootstrap import build_services
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of, settings_of
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.storage.protection import bucket_name

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.cli.render import Renderer
    from perkie_cli.emulators.firestore.server import FirestoreEmulator
    from perkie_cli.emulators.gemini.painter import Painter
    from perkie_cli.emulators.storage.server import StorageEmulator

app = typer.Typer(help="Run local stand-ins of the services that perkie uses.")


Port = Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")]
Host = Annotated[str, typer.Option(metavar="ADDR", help="Address to listen on.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Fault plan, TOML or JSON.")]
Seed = Annotated[int, typer.Option(metavar="N", help="The same calls meet the same faults.")]
Locking = Annotated[
    str, typer.Option("--transactions", metavar="optimistic|pessimistic", help="How Firestore transactions contend.")
]
Buckets = Annotated[list[str] | None, typer.Option("--bucket", metavar="NAME", help="Make this bucket; repeatable.")]
FirestorePort = Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Firestore's; 0 takes a free one.")]


class Emulator(Protocol):
    """What can be run until it is interrupted."""

    async def start(self) -> None:
        """Raises: OSError, when the address cannot be had."""

    async def aclose(self) -> None:
        """Drops every connection."""


@app.command()
def gemini(
    ctx: typer.Context,
    port: Port = 8081,
    host: Host = "127.0.0.1",
    plan: PlanFile = None,
    picture: Annotated[
        str, typer.Option(metavar="style|tiny", help="Draw each photo, or answer one small picture at once.")
    ] = "style",
    api_key: Annotated[str | None, typer.Option(metavar="KEY", help="Refuse every other key.")] = None,
    seed: Seed = 0,
) -> None:
    """Speak the Gemini API (v1, v1beta and Vertex AI), draw with the local engine, fail as planned.

    Prints its address, then runs until it is interrupted.

    Example:

      perkie emulate gemini --port 8081 &

      GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8081 GEMINI_API_KEY=any perkie stylize pet.jpg --style ink_wash
    """
    from perkie_cli.emulators.fault_plan import read_plan
    from perkie_cli.emulators.gemini.plan import Plan
    from perkie_cli.emulators.gemini.server import GeminiEmulator

    renderer = renderer_of(ctx)
    services = build_services(settings_of(ctx).settings)
    emulator = GeminiEmulator(
        _painter(picture, services),
        services.models,
        services.clock,
        plan=Plan.parse(read_plan(plan)) if plan is not None else None,
        seed=seed,
        api_key=api_key,
        host=host,
        port=port,
    )

    def announce() -> None:
        _tell(renderer, emulator.url)
        renderer.say(f"Set GOOGLE_GEMINI_BASE_URL={emulator.url}")
        renderer.say(f"and GEMINI_API_KEY={api_key or 'any'}. Ctrl-C ends it.")

    asyncio.run(_serve([emulator], announce, services))
    summary = {"url": emulator.url, "calls": emulator.total, "faults": dict(emulator.counts)}
    finish(ctx, Report(summary=summary))


@app.command()
def firestore(
    ctx: typer.Context,
    port: FirestorePort = 8086,
    admin_port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Of the admin API.")] = 0,
    host: Host = "127.0.0.1",
    plan: PlanFile = None,
    transactions: Locking = "optimistic",
    seed: Seed = 0,
) -> None:
    """Speak Firestore's gRPC protocol, keep documents in memory, fail as planned.

    Prints the variable to set, then runs until it is interrupted. The admin API changes the fault plan live.

    Example:

      perkie emulate firestore --port 8086 &

      FIRESTORE_EMULATOR_HOST=127.0.0.1:8086 PERKIE_QUOTA_STORE=firestore perkie quota show --customer 42
    """
    from perkie_cli.emulators.fault_plan import parse_faults, read_plan
    from perkie_cli.emulators.firestore.plan import Fault

    renderer = renderer_of(ctx)
    services = build_services(settings_of(ctx).settings)
    faults = parse_faults(read_plan(plan), Fault) if plan is not None else ()
    emulator = _firestore(services, host, port, transactions, admin_port=admin_port, plan=faults, seed=seed)

    def announce() -> None:
        _tell(renderer, f"FIRESTORE_EMULATOR_HOST={emulator.address}")
        renderer.say(f"PUT, DELETE {emulator.admin.url}/_emulator/plan changes the fault plan. Ctrl-C ends it.")

    asyncio.run(_serve([emulator], announce, services))
    finish(ctx, Report(summary={"address": emulator.address, "calls": dict(emulator.counts)}))


@app.command()
def storage(
    ctx: typer.Context,
    port: Port = 8085,
    host: Host = "127.0.0.1",
    bucket: Buckets = None,
    plan: PlanFile = None,
    seed: Seed = 0,
) -> None:
    """Speak Cloud Storage's JSON API, keep objects in memory, fail as planned.

    Prints the variable to set, then runs until it is interrupted. gcloud and the client libraries work against it.

    Example:

      perkie emulate storage --port 8085 --bucket pets &

      STORAGE_EMULATOR_HOST=http://127.0.0.1:8085 PERKIE_CACHE_STORE=gcs PERKIE_CACHE_BUCKET=pets perkie cache stats
    """
    from perkie_cli.emulators.fault_plan import parse_faults, read_plan
    from perkie_cli.emulators.storage.faults import Fault

    renderer = renderer_of(ctx)
    services = build_services(settings_of(ctx).settings)
    faults = parse_faults(read_plan(plan), Fault) if plan is not None else ()
    emulator = _storage(services, host, port, bucket, plan=faults, seed=seed)

    def announce() -> None:
        _tell(renderer, f"STORAGE_EMULATOR_HOST={emulator.url}")
        renderer.say(f"PUT, DELETE {emulator.url}/_emulator/plan changes the fault plan. Ctrl-C ends it.")

    asyncio.run(_serve([emulator], announce, services))
    finish(ctx, Report(summary={"url": emulator.url}))


@app.command()
def gcp(
    ctx: typer.Context,
    storage_port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Cloud Storage's.")] = 8085,
    firestore_port: FirestorePort = 8086,
    host: Host = "127.0.0.1",
    bucket: Buckets = None,
    transactions: Locking = "optimistic",
) -> None:
    """Cloud Storage and Firestore together.

    Prints the variables to set, then runs until it is interrupted.

    Example:

      perkie emulate gcp --storage-port 8085 --firestore-port 8086
    """
    renderer = renderer_of(ctx)
    services = build_services(settings_of(ctx).settings)
    objects = _storage(services, host, storage_port, bucket)
    documents = _firestore(services, host, firestore_port, transactions)

    def announce() -> None:
        _tell(renderer, f"STORAGE_EMULATOR_HOST={objects.url}", f"FIRESTORE_EMULATOR_HOST={documents.address}")
        renderer.say("Ctrl-C ends them.")

    asyncio.run(_serve([objects, documents], announce, services))
    finish(ctx, Report(summary={"storage": objects.url, "firestore": documents.address}))


def _storage(
    services: Services, host: str, port: int, buckets: Sequence[str] | None, **options: Any
) -> StorageEmulator:
    from perkie_cli.emulators.storage.server import StorageEmulator

    emulator = StorageEmulator(services.clock, host=host, port=port, **options)
    for name in buckets or ():
        emulator.add_bucket(bucket_name(name))
    return emulator


def _firestore(services: Services, host: str, port: int, transactions: str, **options: Any) -> FirestoreEmulator:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # a taken port is told by us, not by the library's log
    from perkie_cli.emulators.firestore.database import Database, Mode
    from perkie_cli.emulators.firestore.server import FirestoreEmulator

    if transactions not in list(Mode):
        raise InvalidParameter(f"{transactions!r} is no way of transactions", hint=f"Ways: {', '.join(Mode)}.")
    database = Database(services.clock, Mode(transactions))
    return FirestoreEmulator(database, services.clock, host=host, port=port, **options)


def _tell(renderer: Renderer, *lines: str) -> None:
    """Data for who started it; not beside the envelope, which comes at the end, alone."""
    if not renderer.flags.json:
        for line in lines:
            renderer.line(line)


def _painter(picture: str, services: Services) -> Painter:
    from perkie_cli.emulators.gemini.painter import LocalPainter, TinyPainter

    if picture == "tiny":
        return TinyPainter()
    if picture != "style":
        raise InvalidParameter(f"{picture!r} is no picture mode", hint="Modes: style, tiny.")
    return LocalPainter(services.engines["local"], services.styles, services.workers)


async def _serve(emulators: Sequence[Emulator], announce: Callable[[], None], services: Services) -> None:
    """Runs until SIGINT or SIGTERM.

    Raises: UsageError, when an address cannot be had.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.aclose)
        for emulator in emulators:
            stack.push_async_callback(emulator.aclose)
            try:
                await emulator.start()
            except OSError as error:
                raise UsageError(
                    f"cannot listen there: {error.strerror or error}", hint="Choose another port (0 takes a free one)."
                ) from error
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        announce()
        await stopped.wait()
