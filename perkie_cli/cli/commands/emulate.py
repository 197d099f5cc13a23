"""``perkie emulate``: local servers that speak the real protocols, for a user's own tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perkie_cli.bootstrap import build_services
from perkie_cli.cli.emulate.options import (
    AdminPort,
    Buckets,
    FirestorePort,
    GeminiPort,
    Host,
    IamPort,
    Locking,
    MonitoringPort,
    Picture,
    PlanFile,
    Port,
    RunPort,
    Seed,
    SigningKeys,
    StoragePort,
)
from perkie_cli.cli.emulate.running import note, serve, tell
from perkie_cli.cli.emulate.together import Ports, gemini_api, google_cloud, serve_together
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, settings_of

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.emulators.gemini.server import GeminiEmulator
    from perkie_cli.emulators.rpc_server import RpcEmulator

app = typer.Typer(help="Run local emulators of the services that perkie uses.")


@app.command()
def gemini(
    ctx: typer.Context,
    port: Port = 8081,
    host: Host = "127.0.0.1",
    plan: PlanFile = None,
    picture: Picture = "style",
    api_key: Annotated[str | None, typer.Option(metavar="KEY", help="Refuse every key but this one.")] = None,
    seed: Seed = 0,
) -> None:
    """Serve the Gemini API (v1, v1beta and Vertex AI), draw with the local engine, fail as planned.

    Prints its address, then runs until it is interrupted.

    Examples:

      perkie emulate gemini --port 8081 &

      GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8081 GEMINI_API_KEY=any \\
      perkie stylize pet.jpg --style ink_wash
    """
    services = build_services(settings_of(ctx).settings)
    emulator = _gemini(services, picture, host=host, port=port, plan=plan, seed=seed, api_key=api_key)

    def announce() -> None:
        tell(ctx, emulator.url)
        note(ctx, f"Set GOOGLE_GEMINI_BASE_URL={emulator.url}", f"and GEMINI_API_KEY={api_key or 'any'}.")

    asyncio.run(serve(services, [emulator], announce))
    finish(ctx, Report(summary={"url": emulator.url, "calls": emulator.total, "faults": dict(emulator.counts)}))


@app.command()
def firestore(
    ctx: typer.Context,
    port: FirestorePort = 8086,
    admin_port: AdminPort = 0,
    host: Host = "127.0.0.1",
    plan: PlanFile = None,
    transactions: Locking = "optimistic",
    seed: Seed = 0,
) -> None:
    """Serve Firestore's gRPC protocol, keep documents in memory, fail as planned.

    Prints the variable to set, then runs until it is interrupted.
    The admin API changes the fault plan live. Parts that are not emulated,
    such as listeners, are refused with UNIMPLEMENTED.

    Examples:

      perkie emulate firestore --port 8086 &

      FIRESTORE_EMULATOR_HOST=127.0.0.1:8086 PERKIE_QUOTA_STORE=firestore \\
      perkie quota show --customer 42

      FIRESTORE_EMULATOR_HOST=127.0.0.1:8086 node app.js
    """
    from perkie_cli.emulators.run import make_firestore

    services = build_services(settings_of(ctx).settings)
    emulator = make_firestore(
        services.clock, host=host, port=port, admin_port=admin_port, transactions=transactions, plan=plan, seed=seed
    )
    _serve(ctx, services, emulator, "FIRESTORE_EMULATOR_HOST")


def _serve(ctx: typer.Context, services: Services, emulator: RpcEmulator[Any], variable: str) -> None:
    """Serves one gRPC service; ``variable`` tells clients of it."""

    def announce() -> None:
        tell(ctx, f"{variable}={emulator.address}")
        note(ctx, f"PUT, DELETE {emulator.admin.url}/_emulator/plan changes the fault plan.")

    asyncio.run(serve(services, [emulator], announce))
    finish(ctx, Report(summary={"address": emulator.address, "calls": dict(emulator.counts)}))


@app.command()
def storage(
    ctx: typer.Context,
    port: Port = 8085,
    host: Host = "127.0.0.1",
    bucket: Buckets = None,
    plan: PlanFile = None,
    seed: Seed = 0,
    signing_key: SigningKeys = None,
    tls: Annotated[bool, typer.Option("--tls", help="Serve https with a certificate made for this run.")] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Serve https with this certificate, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key, if that is in a separate file.")
    ] = None,
) -> None:
    """Serve Cloud Storage's JSON API, keep objects in memory, fail as planned.

    Prints the variable to set, then runs until it is interrupted.
    The client libraries, gcloud and (with --tls) gsutil work against it.
    Signed URLs are checked; they open objects only with --signing-key.

    Examples:

      perkie emulate storage --port 8085 --bucket pets &

      STORAGE_EMULATOR_HOST=http://127.0.0.1:8085 PERKIE_CACHE_STORE=gcs \\
      PERKIE_CACHE_BUCKET=pets perkie cache stats

      perkie emulate storage --bucket pets --signing-key service-account.json --tls
    """
    from perkie_cli.emulators.run import make_storage
    from perkie_cli.emulators.tls import tls_for

    services = build_services(settings_of(ctx).settings)
    with tls_for(host, tls_cert, tls_key, make=tls) as (context, made):
        emulator = make_storage(
            services.clock,
            host=host,
            port=port,
            buckets=bucket or (),
            plan=plan,
            seed=seed,
            signing_keys=signing_key or (),
            tls=context,
        )

        def announce() -> None:
            tell(ctx, f"STORAGE_EMULATOR_HOST={emulator.url}")
            trust = [f"Clients may trust {made} (REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS)."] if made else []
            note(ctx, *trust, f"PUT, DELETE {emulator.url}/_emulator/plan changes the fault plan.")

        asyncio.run(serve(services, [emulator], announce))
    finish(ctx, Report(summary={"url": emulator.url}))


@app.command("run")
def cloud_run(
    ctx: typer.Context,
    port: RunPort = 8088,
    admin_port: AdminPort = 0,
    host: Host = "127.0.0.1",
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE=URL", help="A tag of a revision of this image leads there; repeatable."),
    ] = None,
    rollout: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds that a change takes.")] = 0.2,
    plan: PlanFile = None,
    seed: Seed = 0,
) -> None:
    """Serve Cloud Run's gRPC protocol: services, revisions, traffic, operations. It runs no containers.

    Prints the variable to set, then runs until it is interrupted.
    Plans can make a revision that never starts (unready, method Rollout), slow
    and endless rollouts, lost answers and conflicts.

    Examples:

      perkie emulate run --backend new@sha256:…=http://127.0.0.1:8081 &

      CLOUD_RUN_EMULATOR_HOST=127.0.0.1:8088 perkie deploy status --env staging
    """
    from perkie_cli.emulators.run import make_cloud_run

    services = build_services(settings_of(ctx).settings)
    emulator = make_cloud_run(
        services.clock,
        host=host,
        port=port,
        admin_port=admin_port,
        rollout=rollout,
        backends=backend or (),
        plan=plan,
        seed=seed,
    )
    _serve(ctx, services, emulator, "CLOUD_RUN_EMULATOR_HOST")


@app.command()
def monitoring(
    ctx: typer.Context,
    port: MonitoringPort = 8087,
    admin_port: AdminPort = 0,
    host: Host = "127.0.0.1",
    plan: PlanFile = None,
    seed: Seed = 0,
) -> None:
    """Serve Cloud Monitoring's gRPC protocol, keep all in memory, fail as planned.

    Time series, objectives, alert policies, channels, uptime checks and
    dashboards, with Google's rules and defaults; nothing is evaluated.
    Prints the variable to set, then runs until it is interrupted.

    Examples:

      perkie emulate monitoring --port 8087 &

      MONITORING_EMULATOR_HOST=127.0.0.1:8087 perkie monitor apply --yes
    """
    from perkie_cli.emulators.run import make_monitoring

    services = build_services(settings_of(ctx).settings)
    emulator = make_monitoring(services.clock, host=host, port=port, admin_port=admin_port, plan=plan, seed=seed)
    _serve(ctx, services, emulator, "MONITORING_EMULATOR_HOST")


@app.command()
def iam(ctx: typer.Context, port: IamPort = 8089, host: Host = "127.0.0.1") -> None:
    """Serve what Google Cloud lets an account do: policies of projects, secrets and accounts, and keys of accounts.

    Prints the variable to set, then runs until it is interrupted. The account is that of
    GOOGLE_APPLICATION_CREDENTIALS; its token is not asked for, and its key is not sent.

    Examples:

      perkie emulate iam --port 8089 &

      CLOUD_IAM_EMULATOR_HOST=127.0.0.1:8089 perkie doctor --only iam.roles
    """
    from perkie_cli.emulators.run import make_iam

    services = build_services(settings_of(ctx).settings)
    emulator = make_iam(host=host, port=port)

    def announce() -> None:
        tell(ctx, f"CLOUD_IAM_EMULATOR_HOST={emulator.address}")
        note(ctx, f"PUT {emulator.url}/_emulator/policies sets who may do what.")

    asyncio.run(serve(services, [emulator], announce))
    finish(ctx, Report(summary={"address": emulator.address, "calls": dict(emulator.counts)}))


@app.command()
def gcp(
    ctx: typer.Context,
    storage_port: StoragePort = 8085,
    firestore_port: FirestorePort = 8086,
    monitoring_port: MonitoringPort = 8087,
    run_port: RunPort = 8088,
    iam_port: IamPort = 8089,
    host: Host = "127.0.0.1",
    bucket: Buckets = None,
    transactions: Locking = "optimistic",
    signing_key: SigningKeys = None,
) -> None:
    """Serve Cloud Storage, Firestore, Cloud Monitoring, Cloud Run and IAM together.

    Prints the variables to set, then runs until it is interrupted.

    Examples:

      perkie emulate gcp --storage-port 8085 --firestore-port 8086 --bucket pets
    """
    services = build_services(settings_of(ctx).settings)
    ports = Ports(storage_port, firestore_port, monitoring_port, run_port, iam_port)
    members = google_cloud(
        ctx,
        services,
        ports,
        host=host,
        buckets=bucket or (),
        transactions=transactions,
        signing_keys=signing_key or (),
    )
    serve_together(ctx, services, [*members])


@app.command("all")
def all_(
    ctx: typer.Context,
    gemini_port: GeminiPort = 8081,
    storage_port: StoragePort = 8085,
    firestore_port: FirestorePort = 8086,
    monitoring_port: MonitoringPort = 8087,
    run_port: RunPort = 8088,
    iam_port: IamPort = 8089,
    host: Host = "127.0.0.1",
    bucket: Buckets = None,
    picture: Picture = "style",
) -> None:
    """Serve Gemini, Cloud Storage, Firestore, Cloud Monitoring, Cloud Run and IAM together.

    Prints the variables to set, then runs until it is interrupted.

    Examples:

      perkie emulate all --bucket pets --picture tiny
    """
    services = build_services(settings_of(ctx).settings)
    models = _gemini(services, picture, host=host, port=gemini_port)
    ports = Ports(storage_port, firestore_port, monitoring_port, run_port, iam_port)
    clouds = google_cloud(ctx, services, ports, host=host, buckets=bucket or ())
    serve_together(ctx, services, [gemini_api(models), *clouds])


def _gemini(services: Services, picture: str, **options: Any) -> GeminiEmulator:
    from perkie_cli.emulators.gemini.painter import make_painter
    from perkie_cli.emulators.run import make_gemini

    painter = make_painter(picture, lambda: services.engines["local"], services.styles, services.workers)
    return make_gemini(painter, services.models, services.clock, **options)
