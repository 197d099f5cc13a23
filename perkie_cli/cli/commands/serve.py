"""``perkie serve``."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from perkie_cli.bootstrap import Profile, Services, build_services
from perkie_cli.cli import complete
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import finish, renderer_of, settings_of
from perkie_cli.domain.errors import Interrupted, MissingExtra
from perkie_cli.system.imports import uncollected
from perkie_cli.system.memory import keep
from perkie_cli.telemetry.log import EventLog, log_to_stderr

ROLES = ("all", "artistic", "matting")
LOG_FORMATS = ("text", "json")
AUTH_MODES = ("none", "api-key", "jwt", "shopify-proxy")

app = typer.Typer()


@app.command()
def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(metavar="ADDR", help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help="Port (default 8080, or $PORT); 0 picks a free one.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(metavar="|".join(ROLES), help="Which service to provide.", autocompletion=complete.among(ROLES)),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="MODE[,MODE]",
            help=f"{', '.join(AUTH_MODES)} (default none).",
            autocompletion=complete.several_of(AUTH_MODES),
        ),
    ] = None,
    allow_open: Annotated[
        bool, typer.Option("--allow-open", help="Allow auth none on an address that others can reach.")
    ] = False,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LOG_FORMATS),
            help="The log: text, or JSON in Cloud Logging's fields (default text).",
            autocompletion=complete.among(LOG_FORMATS),
        ),
    ] = None,
) -> None:
    """Serve the same pictures over HTTP, until SIGTERM or Ctrl-C.

    Prints the address on stderr once it listens. Before it ends, it answers the requests in flight.

    Examples:

      perkie serve

      perkie serve --host 0.0.0.0 --auth api-key,shopify-proxy --role artistic

      perkie serve --log-format json 2>> server.log
    """
    renderer = renderer_of(ctx)
    flags = {"http.host": host, "http.port": port, "http.role": role, "http.auth": auth}
    more = {"http.allow_open": allow_open or None, "telemetry.log_format": log_format}
    settings = settings_of(ctx, {**flags, **more}).settings
    project = settings.telemetry.project or settings.firestore.project
    log_to_stderr(verbose=renderer.flags.verbose, format_=settings.telemetry.log_format, project=project)
    listener = EventLog(wide=settings.telemetry.log_format == "json")
    ended_by = _run(build_services(settings, profile=Profile.SERVER, listener=listener), renderer)
    if ended_by is signal.SIGINT:
        raise Interrupted("interrupted; requests in flight were answered")
    finish(ctx, Report())


def _run(services: Services, renderer: Renderer) -> signal.Signals | None:
    keep()  # its workers give back when they are idle
    try:
        with uncollected():
            import uvloop

            from perkie_cli.http.server import serve as serving
    except ImportError as error:
        raise MissingExtra(
            f"perkie serve needs {error.name}, which is not installed", hint="pip install 'perkie-cli[serve]'"
        ) from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serving(services, lambda address: renderer.say(f"listening on {address}")))
