"""HTTP/1.1 on threads: one buffered write an answer and no Nagle, which is what makes a stdlib server quick."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``path`` still percent-encoded, ``headers`` with lower-case names."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def parts(self) -> list[str]:
        """The path's segments, decoded: an object's name is one segment, its slashes encoded."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """From a request line's target."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return cls(method, url.path, query, {name.lower(): value for name, value in headers.items()}, body)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; JSON unless the headers say otherwise."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """With length and type."""
        named = {"Content-Length": str(len(self.body)), **self.headers}
        if self.body:
            named.setdefault("Content-Type", "application/json; charset=UTF-8")
        return named


class Reset(Exception):
    """Drop the connection instead of answering, as a dying server does."""


Handle = Callable[[Request], Response]


class LoopbackServer:
    """Serves ``handle`` on threads from ``start`` to ``stop``; also a context manager."""

    def __init__(
        self, handle: Handle, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._handle = handle
        self._address = (host, port)
        self._tls = tls
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """``http://host:port``, or https where there is a certificate."""
        host, port = self._address
        return f"{'http' if self._tls is None else 'https'}://{host}:{port}"

    def start(self) -> None:
        """Binds and serves. A port of 0 is chosen now and kept over a ``stop`` and another ``start``."""
        server = _Server(self._address, _Handler)
        server.handle_request_of = self._handle
        if self._tls is not None:
            server.socket = self._tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._address = (self._address[0], server.server_address[1])
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuses new connections and cuts the open ones."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    handle_request_of: Handle

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, peer = super().get_request()
        self._open.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""

    def cut(self) -> None:
        for connection in list(self._open):
            reset(connection)


def reset(connection: socket.socket) -> None:
    """Closes with RST: no time to linger."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        request = Request.of(self.command, self.path, dict(self.headers.items()), self._body())
        try:
            answer = self.server.handle_request_of(request)
        except Reset:
            self.close_connection = True
            reset(self.connection)
            return
        self.wfile.write(f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}\r\n".encode())
        lines = "".join(f"{name}: {value}\r\n" for name, value in answer.all_headers.items())
        self.wfile.write(lines.encode("latin-1") + b"\r\n")
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815  the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Quiet."""
