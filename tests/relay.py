"""A TCP relay on loopback between a client and a server, for what goes wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Relay:
    """``url`` is its own address. ``target``: where new connections lead. ``mute``: answers are swallowed."""

    target: str
    url: str = ""
    mute: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Resets every connection."""
        for each in self._open:
            each.transport.abort()

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Relays one connection."""
        place = urlsplit(self.target)
        self._open.add(to_client)
        try:
            server, to_server = await asyncio.open_connection(place.hostname, place.port)
            up = asyncio.ensure_future(self._copy(client, to_server, answers=False))
            await self._copy(server, to_client, answers=True)
            up.cancel()
        except OSError:
            to_client.transport.abort()
        finally:
            self._open.discard(to_client)

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not (answers and self.mute):
                    to.write(data)
                    await to.drain()
        to.close()


@asynccontextmanager
async def relaying(target: str) -> AsyncIterator[Relay]:
    """Relays to ``target`` until the block ends."""
    relay = Relay(target)
    listening = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        listening.close()
        relay.cut()
