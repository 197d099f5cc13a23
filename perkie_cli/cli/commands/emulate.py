"""``perkie emulate``: local servers that speak the real protocols, for a user's own tests."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.bootstrap import build_services
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of, settings_of
from perkie_cli.domain.errors import InvalidParameter, UsageError

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.cli.render import Renderer
    from perkie_cli.emulators.gemini.painter import Painter
    from perkie_cli.emulators.gemini.server import GeminiEmulator

app = typer.Typer(
    add_completion=False, help="Run local stand-ins of the services that perkie uses.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Keeps this a group while it has one command."""


@app.command()
def gemini(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")] = 8081,
    host: Annotated[str, typer.Option(metavar="ADDR", help="Address to listen on.")] = "127.0.0.1",
    plan: Annotated[Path | None, typer.Option(metavar="FILE", help="Fault plan, TOML or JSON.")] = None,
    picture: Annotated[
        str, typer.Option(metavar="style|tiny", help="Draw each photo, or answer one small picture at once.")
    ] = "style",
    api_key: Annotated[str | None, typer.Option(metavar="KEY", help="Refuse every other key.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same calls meet the same faults.")] = 0,
) -> None:
    """Speak the Gemini API (v1, v1beta and Vertex AI), draw with the local engine, fail as planned.

    Prints its address, then runs until it is interrupted.

    Example:

      perkie emulate gemini --port 8081 &

      GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8081 GEMINI_API_KEY=any perkie stylize pet.jpg --style ink_wash
    """
    from perkie_cli.emulators.gemini.plan import Plan
    from perkie_cli.emulators.gemini.server import GeminiEmulator

    renderer = renderer_of(ctx, "emulate gemini")
    services = build_services(settings_of(ctx).settings)
    emulator = GeminiEmulator(
        _painter(picture, services),
        services.models,
        services.clock,
        plan=Plan.read(plan) if plan is not None else None,
        seed=seed,
        api_key=api_key,
        host=host,
        port=port,
    )
    asyncio.run(_serve(emulator, services, renderer))
    summary = {"url": emulator.url, "calls": emulator.total, "faults": dict(emulator.counts)}
    finish(ctx, Report(summary=summary))


def _painter(picture: str, services: Services) -> Painter:
    from perkie_cli.emulators.gemini.painter import LocalPainter, TinyPainter

    if picture == "tiny":
        return TinyPainter()
    if picture != "style":
        raise InvalidParameter(f"{picture!r} is no picture mode", hint="Modes: style, tiny.")
    return LocalPainter(services.engines["local"], services.styles, services.workers)


async def _serve(emulator: GeminiEmulator, services: Services, renderer: Renderer) -> None:
    try:
        await emulator.start()
    except OSError as error:
        raise UsageError(
            f"cannot listen there: {error.strerror or error}", hint="Choose another --port (0 takes a free one)."
        ) from error
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if not renderer.flags.json:  # the envelope comes at the end, alone
        renderer.line(emulator.url)
    renderer.say(f"Set GOOGLE_GEMINI_BASE_URL={emulator.url} and any GEMINI_API_KEY. Ctrl-C ends it.")
    await stopped.wait()
    await emulator.aclose()
    await services.aclose()
