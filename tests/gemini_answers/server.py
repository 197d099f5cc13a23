"""An upstream that answers in rows, on the loop of the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.gemini_answers.build import Row


class Answering:
    """Answers every call with the rows in order, the last one for ever, or as ``choose`` says."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.choose: Callable[[], Row] | None = None
        self.calls = 0
        self.url = ""
        self.paths: list[str] = []
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                lengths = [
                    line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-l")
                ]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                self.paths.append(head.split(" ")[1])
                self.heads.append(head)
                writer.write(self._answer())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    def _answer(self) -> bytes:
        row = self.choose() if self.choose is not None else self.rows[min(self.calls, len(self.rows) - 1)]
        self.calls += 1
        headers = {"content-type": "application/json", "content-length": len(row.body), **row.headers}
        reasons = {502: "Bad Gateway"}
        lines = [
            f"HTTP/1.1 {row.status} {reasons.get(row.status, 'X')}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + row.body


@asynccontextmanager
async def answering(tls: ssl.SSLContext | None = None) -> AsyncIterator[Answering]:
    made = Answering()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
