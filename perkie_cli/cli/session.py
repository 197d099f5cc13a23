"""Ties one command to settings, services and the renderer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Unpack

import typer

from perkie_cli.bootstrap import Overrides, Services, build_services
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.config.load import Loaded, load
from perkie_cli.domain.events import (
    AuditLost,
    CacheTrimmed,
    Event,
    SettingShadowed,
    StyleLeftOut,
    UpstreamCalled,
    UpstreamRetried,
)
from perkie_cli.domain.units import format_duration, format_size

Work = Callable[[Services], Awaitable[Report]]


def renderer_of(ctx: typer.Context) -> Renderer:
    """The run's renderer."""
    renderer: Renderer = ctx.obj
    return renderer


def settings_of(ctx: typer.Context, flags: Mapping[str, Any] | None = None) -> Loaded:
    """The settings under this run's ``--config`` and ``--profile``; ``flags`` by dotted name.

    Raises: InvalidSetting, UnreadableFile.
    """
    renderer = renderer_of(ctx)
    loaded = load(config=renderer.flags.config, profile=renderer.flags.profile, flags=flags)
    for warning in loaded.warnings:
        renderer.warn(warning)
    return loaded


def services_of(ctx: typer.Context) -> Services:
    """Services for a command that only reads settings and files; nothing of them has to be closed.

    Raises: InvalidSetting, UnreadableFile.
    """
    return build_services(settings_of(ctx).settings, listener=_Listener(renderer_of(ctx)))


def run(ctx: typer.Context, work: Work, flags: Mapping[str, Any] | None = None, **parts: Unpack[Overrides]) -> None:
    """Runs ``work`` with services, closes them, prints the report and exits with its code.

    ``flags`` are settings by dotted name, ``parts`` replace parts of the services.
    """
    parts.setdefault("listener", _Listener(renderer_of(ctx)))
    services = build_services(settings_of(ctx, flags).settings, **parts)

    async def whole() -> Report:
        try:
            return await work(services)
        finally:
            await services.aclose()

    finish(ctx, asyncio.run(whole()))


class _Listener:
    """Prints events that the user must see in addition to the command's own output."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def emit(self, event: Event) -> None:
        """Prints the event as a warning, if the user must see it."""
        if isinstance(event, AuditLost):
            self._renderer.warn(f"no audit record was written to {event.path}: {event.reason}")
        elif isinstance(event, CacheTrimmed):
            self._renderer.warn(
                f"the cache has reached cache.max_size ({format_size(event.limit)}): the pictures that were unused the "
                "longest are removed"
            )
        elif isinstance(event, SettingShadowed):
            self._renderer.warn(f"both {event.used} and {event.ignored} are set; {event.used} is used")
        elif isinstance(event, StyleLeftOut):
            self._renderer.warn(f"a style is left out: {event.reason}. {event.hint or ''}".rstrip())
        elif self._renderer.flags.verbose:
            self._tell_of_attempts(event)

    def _tell_of_attempts(self, event: Event) -> None:
        if isinstance(event, UpstreamCalled):
            took = format_duration(event.seconds)
            self._renderer.say(f"{event.upstream}: attempt {event.attempt} after {took}: {event.outcome}")
        elif isinstance(event, UpstreamRetried):
            self._renderer.say(f"{event.upstream}: next attempt in {format_duration(event.wait)}: {event.cause}")


def finish(ctx: typer.Context, report: Report) -> None:
    """Prints the report and exits with its code.

    Raises: typer.Exit.
    """
    raise typer.Exit(renderer_of(ctx).finish(report))
