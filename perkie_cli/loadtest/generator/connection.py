"""A client of HTTP/1.1 that does no more than a generator needs: uvloop moves the bytes, httptools parses them.

A request costs about 11 µs of one core, counting included; with a general client it costs several times as much, and
one process could not load a fast server.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult

import httptools

from perkie_cli.loadtest.generator.choices import Choice

KEPT = 64 * 1024  # bytes of an answer that are kept where nobody looks at the whole
FACTS = frozenset((b"x-perkie-cache-hit", b"x-perkie-degraded", b"x-perkie-cost-usd", b"content-type"))
OURS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)  # our limits, not the server's
IDLE = 30.0  # seconds after which an idle connection is not used again: servers close them
EARLY = 1e-6  # seconds; a timer that is early by less is not early


class Exchange:
    """One request and its answer. Times are those of the generator's clock; 0 where it did not come to that."""

    __slots__ = (
        *("choice", "phase", "payload", "whole", "intended", "begun", "sent", "first", "done"),
        *("status", "headers", "body", "size", "failure", "timed_out", "waiting", "connection", "ended"),
    )

    def __init__(self, choice: Choice, phase: int, intended: float, ended: Callable[[Exchange], None]) -> None:
        self.choice, self.phase, self.intended, self.ended = choice, phase, intended, ended
        self.payload: Sequence[bytes] = ()
        self.whole = False  # keep the whole answer
        self.begun = self.sent = self.first = self.done = 0.0  # begun: given to ``send``; sent: to a connection
        self.status = self.size = 0
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.failure = ""  # why there is no whole answer
        self.timed_out = False
        self.waiting: dict[Exchange, None] | None = None  # those with the same timeout
        self.connection: Connection | None = None


class Connections:
    """Keeps connections to one server alive; the last one used is used first, so that the others can grow old."""

    def __init__(self, target: SplitResult, now: Callable[[], float], *, insecure: bool = False) -> None:
        self.now = now
        self._host = target.hostname or ""
        self._port = target.port or (443 if target.scheme == "https" else 80)
        self._tls = _tls(insecure) if target.scheme == "https" else None
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: dict[float, dict[Exchange, None]] = {}  # by timeout, in the order of their ends
        self._alarms: dict[float, asyncio.TimerHandle] = {}  # one for each timeout: one for each request is slow
        self.opened = self.refused = 0  # refused: by this machine

    def send(self, exchange: Exchange, timeout: float) -> None:
        """Sends a request; ``exchange.ended`` is called once, whatever comes."""
        exchange.begun = now = self.now()
        waiting = self._waiting.get(timeout)
        if waiting is None:
            waiting = self._waiting[timeout] = {}
            self._alarm(timeout, timeout)
        waiting[exchange] = None
        exchange.waiting = waiting
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(now - IDLE):
                connection.begin(exchange, now)
                return
        task = asyncio.get_running_loop().create_task(self._open_for(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_for(self, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self), self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            self.refused += error.errno in OURS
            self.finish(exchange, f"no connection: {_reason(error)}")
            return
        self.opened += 1
        if exchange.done:  # timed out while it was opened
            self.keep(connection)
        else:
            connection.begin(exchange, self.now())

    def _alarm(self, timeout: float, after: float) -> None:
        self._alarms[timeout] = asyncio.get_running_loop().call_later(after, self._expire, timeout)

    def _expire(self, timeout: float) -> None:
        """Ends what waited too long; then waits for the next one's end."""
        waiting = self._waiting[timeout]
        while (oldest := next(iter(waiting), None)) is not None:
            if (left := oldest.begun + timeout - self.now()) > EARLY:
                self._alarm(timeout, left)
                return
            oldest.timed_out = True
            self.finish(oldest, "no answer in time")
        del self._waiting[timeout], self._alarms[timeout]

    def finish(self, exchange: Exchange, failure: str = "", at: float = 0.0) -> None:
        """Ends an exchange, once; ``at``: when the last of it came, if not now."""
        if exchange.done:
            return
        exchange.done, exchange.failure = at or self.now(), failure
        if exchange.waiting is not None:
            del exchange.waiting[exchange]
        if failure and exchange.connection is not None:
            exchange.connection.drop()
        exchange.ended(exchange)

    def keep(self, connection: Connection) -> None:
        """Takes a connection back that may be used again."""
        self._idle.append(connection)

    def entered(self, connection: Connection) -> None:
        """A connection was made."""
        self._open.add(connection)

    def left(self, connection: Connection) -> None:
        """A connection ended."""
        self._open.discard(connection)

    async def aclose(self) -> None:
        """Drops every connection; what is in flight is cut off without a call."""
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in self._opening:
            task.cancel()
        for connection in list(self._open):
            connection.exchange = None
            connection.drop()
        await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    __slots__ = ("_answered", "_from", "_lasting", "_parser", "_transport", "_until_end", "_used", "exchange")

    def __init__(self, pool: Connections) -> None:
        self._from = pool
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._used = 0.0
        self._until_end = False  # the answer has no length: it ends with the connection
        self._answered: Exchange | None = None  # its answer has just been read to its end …
        self._lasting = False  # … after which the connection may be used again
        self.exchange: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: it is open."""
        self._transport = transport
        self._from.entered(self)

    def usable(self, since: float) -> bool:
        """Whether it is open and was used after ``since``."""
        if self._transport.is_closing():
            return False
        if self._used < since:
            self._transport.close()
            return False
        return True

    def begin(self, exchange: Exchange, now: float) -> None:
        """Sends."""
        self.exchange, exchange.connection = exchange, self
        exchange.sent = now
        if len(exchange.payload) == 1:
            self._transport.write(exchange.payload[0])
        else:
            self._transport.writelines(exchange.payload)

    def drop(self) -> None:
        """Ends it at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Asyncio: bytes came."""
        exchange = self.exchange
        if exchange is None:
            self._transport.close()  # nobody asked
            return
        now = self._from.now()
        if not exchange.first:
            exchange.first = now
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._lasting = False
            if self._answered is None:
                self._from.finish(exchange, f"not HTTP: {error}")
        if self._answered is not None:
            self._answered = None
            self._give_back(now)
            self._from.finish(exchange, at=now)

    def _give_back(self, now: float) -> None:
        if self._lasting:
            self._used = now
            self._from.keep(self)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: it ended, with ``error`` or by the server."""
        self._from.left(self)
        if (exchange := self.exchange) is None or exchange.done:
            return
        if self._until_end and error is None:
            self._from.finish(exchange)
        elif exchange.first:
            self._from.finish(exchange, "the connection ended in the middle of the answer")
        else:
            self._from.finish(exchange, f"the connection ended before an answer{(error and f': {error}') or ''}")

    # ---------------------------------------------------------------- httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came."""
        name = name.lower()
        if name in FACTS:
            if self.exchange is not None:
                self.exchange.headers[name] = value
        elif name in (b"content-length", b"transfer-encoding"):
            self._until_end = False

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._until_end = True
        self._lasting = False  # also when it follows an answer that nobody asked for

    def on_headers_complete(self) -> None:
        """The status is known."""
        if self.exchange is not None:
            self.exchange.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A part of the body came."""
        exchange = self.exchange
        if exchange is None:
            return
        if exchange.whole or exchange.size < KEPT:
            exchange.body.append(body)
        exchange.size += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole. 1xx are not: the real one follows."""
        exchange = self.exchange
        if exchange is None or exchange.status < 200:
            return
        self.exchange = exchange.connection = None
        self._answered, self._lasting = exchange, self._parser.should_keep_alive()


def _tls(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    """Without the address, so that equal failures look equal."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({error.verify_message})"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
