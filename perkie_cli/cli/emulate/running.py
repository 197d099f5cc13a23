"""Runs emulators until somebody ends them, and says where they listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from perkie_cli.cli.session import renderer_of

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.emulators.run import Emulator


def tell(ctx: typer.Context, *lines: str) -> None:
    """Prints data for whoever started it; not with --json, where stdout holds only the envelope at the end."""
    renderer = renderer_of(ctx)
    if not renderer.flags.json:
        for line in lines:
            renderer.line(line)


def note(ctx: typer.Context, *lines: str) -> None:
    """Prints hints, and how to end it."""
    for line in (*lines[:-1], " ".join((*lines[-1:], "Press Ctrl-C to stop."))):
        renderer_of(ctx).say(line)


async def serve(services: Services, emulators: Sequence[Emulator], announce: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM. Raises: UsageError when an address cannot be used."""
    from perkie_cli.emulators.run import running, until_interrupted

    try:
        async with running(*emulators):
            announce()
            await until_interrupted()
    finally:
        await services.aclose()
