"""HTTP by hand over a socket: what no client library would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import orjson

PATIENCE = 60.0  # seconds until a test fails that waits for an answer: no timing decides it


@dataclass
class Answer:
    """One answer; ``status`` 0: the connection was closed without one."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        """Of a problem."""
        return str(orjson.loads(self.body)["type"]).rpartition(":")[2]


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes, times: int = 1) -> None:
        """Sends as far as the server takes it."""
        with suppress(ConnectionError):
            for _ in range(times):
                self.writer.write(data)
                await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        except (ConnectionError, asyncio.IncompleteReadError):
            return Answer()
        return Answer(int(lines[0].split(" ")[1]), headers, body)

    async def is_closed(self) -> bool:
        """Waits until the server closes; anything that it still sends is dropped."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass
        return True


@asynccontextmanager
async def wire(client: httpx.AsyncClient) -> AsyncIterator[Wire]:
    """A connection to the server of ``client``."""
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head(*lines: str, request: str = "POST /api/v1/generate HTTP/1.1") -> bytes:
    """A head of JSON with these further lines."""
    return "\r\n".join([request, "Host: localhost", "Content-Type: application/json", *lines, "", ""]).encode()
