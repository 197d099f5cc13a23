"""Runs the app under uvicorn, from the listening socket to a clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn
from fastapi import FastAPI

from perkie_cli.bootstrap import Services
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import InvalidSetting, PerkieError
from perkie_cli.http.app import create_app
from perkie_cli.http.parts import Parts
from perkie_cli.http.readiness import check_start
from perkie_cli.http.startup import tell_phase, tell_start
from perkie_cli.http.upkeep import Upkeep
from perkie_cli.http.wire.connections import Connections
from perkie_cli.http.wire.http import GuardedHttp
from perkie_cli.http.wire.websocket import GuardedWebSocket

log = logging.getLogger("perkie.http")
_CLOSING = 1.0  # seconds for closing connections after the last answer
_KEEP_ALIVE = 75  # seconds; longer than load balancers keep idle connections
_BACKLOG = 2048
_OTHER_FILES = 1_200  # calls to Gemini, stores, files


class Server(uvicorn.Server):
    """Tells the app about the signal, so that it can finish requests in flight; a second signal stops at once."""

    def __init__(self, app: FastAPI, grace: float) -> None:
        parts: Parts = app.state.parts
        settings = parts.settings
        connections = Connections(_with_descriptors(settings.max_connections), settings.max_bodies, parts.patience)
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # perkie counts trusted hops itself
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(grace + _CLOSING + 0.5),
                backlog=_BACKLOG,
                http=partial(GuardedHttp, connections=connections),  # type: ignore[arg-type]  # makes a protocol
                ws=partial(GuardedWebSocket, connections=connections, bodies=parts.bodies),  # type: ignore[arg-type]
                ws_max_size=settings.max_body,
                ws_per_message_deflate=False,  # a kilobyte could become a gigabyte
            )
        )
        self._parts = parts
        self._upkeep: Upkeep = app.state.upkeep
        self.stopped_by: signal.Signals | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: ``heeding_signals`` starts earlier, and uvicorn would raise the signal again at the end."""
        yield

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Shuts down cleanly on SIGTERM and SIGINT; a clean end after SIGTERM is a success. SIGHUP reads keys again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._upkeep.hang_up)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self.stopped_by = number
        self._parts.shutdown.begin()


def _with_descriptors(connections: int) -> int:
    """So many connections, or as many as this process may open files for; its limit is raised where that is allowed."""
    needed = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    return max(1, soft * connections // needed)


def listen(settings: HttpSettings) -> socket.socket:
    """The listening socket; port 0 takes any free one.

    Raises: InvalidSetting when the address is taken, unknown or not permitted.
    """
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSetting(f"cannot listen on {settings.host}:{settings.port}: {reason}") from error


async def serve(services: Services, started: Callable[[str], None]) -> signal.Signals | None:
    """Serves until a signal; calls ``started`` with the address once it listens. Closes ``services``.

    Returns the signal that stopped it. Raises: InvalidSetting, and as ``check_start``, before anybody could connect.
    """
    settings = services.settings.http
    app = create_app(services, warming=True)
    try:
        await check_start(services, settings.role)
        server = Server(app, settings.stop_within.total_seconds())
        bound = listen(settings)
    except PerkieError:
        await services.aclose()
        raise
    with server.heeding_signals(), bound:
        host, port = bound.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        started(address)
        tell_start(services, address)
        tell_phase(services, "listening")
        await server.serve(sockets=[bound])
    return server.stopped_by
