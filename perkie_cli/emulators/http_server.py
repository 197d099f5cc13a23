"""A small HTTP/1.1 server for emulators: fast answers, and access to the raw connection for faults.

An answer is sent with one call: separate sends of head and body cost 40 ms when Nagle's algorithm meets delayed
acknowledgements (RFC 9293 section 3.7.4). asyncio sets TCP_NODELAY.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from perkie_cli.domain.frozen import frozen

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
BACKLOG = 1024


class BadRequest(Exception):
    """The bytes are not an HTTP request that this server supports."""


@frozen
class Request:
    """One request; header names in lower case, the path percent-decoded. ``query`` has the last of repeated names.

    ``base``: scheme and host under which the client addressed the server.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    raw_path: str
    raw_query: str = ""
    base: str = ""

    def json(self) -> object:
        """The body.

        Raises: ValueError.
        """
        return json.loads(self.body)

    def json_object(self) -> dict[str, Any]:
        """The body, which may be empty.

        Raises: ValueError.
        """
        given = json.loads(self.body or b"{}")
        if not isinstance(given, dict):
            raise ValueError("The body must be a JSON object.")  # noqa: TRY004 -- of a client's text, not of ours
        return given


@frozen
class Response:
    """One complete answer. ``head``: to a HEAD request, which gets the headers of the body but not the body."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    head: bool = False

    @classmethod
    def of(cls, value: object, status: int = 200, **headers: str) -> Response:
        """An answer with JSON; underscores in header names become dashes."""
        return cls(status, json.dumps(value).encode(), headers={k.replace("_", "-"): v for k, v in headers.items()})

    def bytes(self) -> bytes:
        """The answer's bytes on the wire."""
        try:
            phrase = http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {' '.join(value.split())}" for name, value in self.headers.items()]  # and no line breaks
        if self.status >= 200 and self.status not in (204, 304):
            lines += [f"content-type: {self.content_type}", f"content-length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if self.head else self.body)


class Wire:
    """The connection of one request, for answers that break the rules."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends raw bytes."""
        self._writer.write(data)
        await self._writer.drain()

    def cut(self) -> None:
        """Closes the connection at once; bytes already sent still arrive."""
        self._writer.close()

    def reset(self) -> None:
        """Drops the connection with a TCP reset."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


# An answer, or None when the handler has used the wire itself and the connection is finished.
Handler = Callable[[Request, Wire], Awaitable[Response | None]]


class HttpServer:
    """Serves one handler on its own port; ``port`` 0 picks a free one. ``tls``: serves https."""

    def __init__(
        self, handler: Handler, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.handler = handler
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._port

    @property
    def url(self) -> str:
        """The server's URL, without a trailing slash."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    @property
    def _scheme(self) -> str:
        return "http" if self._tls is None else "https"

    async def start(self) -> None:
        """Starts listening. Raises: OSError when the address cannot be used."""
        self._server = await asyncio.start_server(
            self._connected, self._host, self._port, limit=MAX_HEAD, backlog=BACKLOG, ssl=self._tls
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # only aclose cancels; asyncio would report the cancelled handler as an error
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                try:
                    request = await read_request(reader, writer)
                except (BadRequest, ValueError, asyncio.LimitOverrunError) as error:
                    writer.write(Response.of({"error": str(error)}, 400, connection="close").bytes())
                    return
                if request is None:
                    return
                if "host" in request.headers:
                    request = replace(request, base=f"{self._scheme}://{request.headers['host']}")
                response = await self.handler(request, Wire(writer))
                if response is None:
                    return
                writer.write(response.bytes())
                await writer.drain()
                if request.headers.get("connection", "").lower() == "close":
                    return


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection, or None at its end.

    Raises: BadRequest, ValueError, LimitOverrunError.
    """
    try:
        start = await reader.readexactly(1)
        if not start.isalpha():  # otherwise a TLS client and this server would wait for each other
            raise BadRequest("this is not HTTP; does the address begin with https?")
        head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BadRequest("the request ends early") from error
        return None
    first, *lines = head[:-4].split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise BadRequest("no request line")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _body(reader, headers)
    target = urlsplit(parts[1])
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return Request(parts[0], unquote(target.path), query, headers, body, target.path, target.query)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", "0"))
        _check_length(length)
        return await reader.readexactly(length)
    chunks: list[bytes] = []
    total = 0
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        total += size
        _check_length(total)
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass  # trailers
    return b"".join(chunks)


def _check_length(length: int) -> None:
    if not 0 <= length <= MAX_BODY:
        raise BadRequest("the body is too large")
